/** A focus in words: for the history, for places to go to. */
import { formatAddress, formatGfn, formatHex } from '@core/format/address-text.ts';
import { formatCount } from '@core/format/quantity.ts';
import type { Focus } from '../stores/focus-store.ts';

export function focusTitle(focus: Focus): string {
  switch (focus.kind) {
    case 'address':
      return `${focus.space}:${formatAddress(focus.address)}`;
    case 'code':
      return `code ${formatAddress(focus.address)}`;
    case 'slot':
      return `slot ${focus.slot}, gpa:${formatAddress(focus.gpa)}`;
    case 'page':
      return `shadow page ${focus.page}`;
    case 'gfn':
      return `gfn:${formatGfn(focus.gfn)}`;
    case 'spte':
      return `spte ${focus.entry} of shadow page ${focus.page}, gfn:${formatGfn(focus.gfn)}`;
    case 'moment':
      return `moment ${formatCount(focus.insns)}`;
    case 'port':
      return `port ${formatHex(focus.port)}`;
  }
}
