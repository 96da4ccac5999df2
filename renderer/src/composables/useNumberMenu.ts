/** What can be done with a number: the entries of its context menu. */
import type { AddressSpace } from '@core/protocol/index.ts';
import { formatHex } from '@core/format/address-text.ts';
import { addressOfNumber, numberHeading, numberValue, numberWithSpace } from '../layout/linked-number.ts';
import type { LinkedNumber } from '../layout/linked-number.ts';
import { useBreakpointsStore } from '../stores/breakpoints-store.ts';
import { useDesktopStore } from '../stores/desktop-store.ts';
import { useFocusStore } from '../stores/focus-store.ts';
import type { Focus } from '../stores/focus-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import type { PanelKind } from '../layout/panel-kinds.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';
import type { MenuEntry } from '../stores/menu-store.ts';
import { useNoticesStore } from '../stores/notices-store.ts';
import { useWalkStore } from '../stores/walk-store.ts';
import type { WalkSpace } from '../stores/walk-store.ts';
import { useWatchesStore } from '../stores/watches-store.ts';

/** @returns the entries for a number, under a line that names it; `own`: what else can be done where it stands, before them */
export function useNumberMenu(): (number: LinkedNumber, own?: readonly MenuEntry[]) => readonly MenuEntry[] {
  const breakpoints = useBreakpointsStore();
  const desktop = useDesktopStore();
  const focus = useFocusStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const memslots = useMemslotsStore();
  const notices = useNoticesStore();
  const watches = useWatchesStore();

  const showIn = (panel: PanelKind, next: Focus) => (): void => {
    layout.open(panel);
    focus.show(next);
  };

  const forCode = (address: bigint): readonly MenuEntry[] => [
    { title: 'Go to it in disassembly', run: showIn('disassembly', { kind: 'code', address }) },
    { title: 'Run to here', isApart: true, isEnabled: machine.canRun, run: () => void machine.runTo(address) },
    { title: 'Set or remove a breakpoint here', run: () => void breakpoints.toggleAt(address) },
    { title: 'Break on writes to these 8 bytes', run: () => void breakpoints.watchWrites('gva', address) },
  ];

  function forFrame(gpa: bigint): readonly MenuEntry[] {
    const gfn = Number(gpa >> 12n);
    return [
      { title: 'Go to its sptes', run: showIn('sptes', { kind: 'gfn', gfn }) },
      { title: 'Go to it on the map of the slots', run: showIn('memslots', { kind: 'gfn', gfn }) },
      { title: 'Break on MMIO faults of its page', isApart: true, run: () => void breakpoints.addForPage(gfn) },
      { title: 'Break on writes to these 8 bytes of memory', run: () => void breakpoints.watchWrites('gpa', gpa) },
      { title: 'Break when an spte of its page changes', run: () => void breakpoints.addForSpte(gfn) },
      {
        title: 'New memslot over its page',
        isApart: true,
        run: () => {
          layout.open('memslots');
          void memslots.createOver(gpa);
        },
      },
    ];
  }

  const walkIt = (space: WalkSpace, address: bigint) => (): void =>
    void useWalkStore(layout.open('walk')).show(space, address);

  function watchIt(space: AddressSpace, address: bigint): void {
    const refusal = watches.add(space, address);
    if (refusal === undefined) layout.open('memory');
    else notices.add('error', refusal);
  }

  function forAddress(space: AddressSpace, address: bigint): readonly MenuEntry[] {
    return [
      { title: 'Go to it in memory', run: showIn('memory', { kind: 'address', space, address }) },
      ...(space === 'hva' ? [] : [{ title: 'Walk it through both trees', run: walkIt(space, address) }]),
      { title: 'Watch it', run: () => watchIt(space, address) },
      ...(space === 'gva' ? forCode(address) : []),
      ...(space === 'gpa' ? forFrame(address) : []),
    ];
  }

  function forSpte(number: LinkedNumber): readonly MenuEntry[] {
    if (number.kind !== 'spte' || number.at === undefined) return [];
    return [{ title: 'Go to it in the spte inspector', run: showIn('sptes', { kind: 'spte', ...number.at }) }];
  }

  const forGeneration = (number: LinkedNumber): readonly MenuEntry[] =>
    number.kind === 'generation' ? [{ title: 'Go to the generation', run: () => void layout.open('generation') }] : [];

  const forMoment = (number: LinkedNumber): readonly MenuEntry[] =>
    number.kind === 'insns'
      ? [{ title: 'Go to it in the trace', run: showIn('trace', { kind: 'moment', insns: number.insns }) }]
      : [];

  const forPort = (number: LinkedNumber): readonly MenuEntry[] => {
    if (number.kind !== 'port') return [];
    const spec = { kind: 'port', start: number.port, length: 1, access: 'any' } as const;
    return [
      { title: 'Look at it in devices', run: showIn('devices', { kind: 'port', port: number.port }) },
      { title: 'Break on accesses of it', run: () => void breakpoints.add({ spec }) },
    ];
  };

  function entriesOf(number: LinkedNumber): readonly MenuEntry[] {
    const place = addressOfNumber(number);
    const value = numberValue(number);
    return [
      ...forSpte(number),
      ...(place ? forAddress(place.space, place.address) : []),
      ...forGeneration(number),
      ...forMoment(number),
      ...forPort(number),
      { title: 'Copy as hexadecimal', isApart: true, run: () => void desktop.copyText(formatHex(value)) },
      { title: 'Copy as decimal', run: () => void desktop.copyText(value.toString()) },
      { title: 'Copy with what it is', run: () => void desktop.copyText(numberWithSpace(number)) },
    ];
  }

  return (number, own = []) => {
    const all = [...own, ...entriesOf(number).map((entry, n) => (n === 0 ? { ...entry, isApart: true } : entry))];
    return all.map((entry, n) => (n === 0 ? { ...entry, heading: numberHeading(number) } : entry));
  };
}
