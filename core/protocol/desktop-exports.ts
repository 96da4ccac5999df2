/** Verbs of the host for what leaves the window as a file, and for the measurement that has a thread of its own. */
import * as v from 'valibot';
import { MMU_MODES, type MmuMode } from '../base/machine-modes.ts';
import type { CostState } from './memslot-cost.ts';

/** As much as an imported trace may have, so that it can leave again. */
export const MAX_EXPORT_BYTES = 64 * 1024 * 1024;

/** Kinds of files that the window writes. The host knows no others, and the user chooses where each goes. */
export const EXPORT_KINDS = { csv: 'Comma-separated values', png: 'PNG image', txt: 'Text', json: 'JSON' } as const;
export type ExportKind = keyof typeof EXPORT_KINDS;

export const EXPORT_SCHEMAS = {
  /** Asks the user where to, and writes. `name` is only proposed. */
  'export.save': v.strictObject({
    name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]{0,80}$/, 'a plain file name')),
    kind: v.picklist(Object.keys(EXPORT_KINDS) as ExportKind[]),
    bytes: v.pipe(
      v.instance(Uint8Array),
      v.check((bytes) => bytes.byteLength <= MAX_EXPORT_BYTES, `at most ${MAX_EXPORT_BYTES} bytes`),
    ),
  }),
  /** Begins the measurement of what a memslot change costs; one that is under way goes on. */
  'cost.start': v.strictObject({ mmu: v.picklist(MMU_MODES) }),
  'cost.read': v.strictObject({}),
  'cost.cancel': v.strictObject({}),
} as const;

/** Undefined when the user chose no file. */
export type ExportAnswer =
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly message: string } | undefined;

export interface ExportReplies {
  'export.save': ExportAnswer;
  'cost.start': CostState;
  'cost.read': CostState;
  'cost.cancel': CostState;
}

export interface ExportRequest {
  readonly name: string;
  readonly kind: ExportKind;
  readonly bytes: Uint8Array;
}

/** That part of the host as the page has it. */
export interface UmbraExports {
  saveExport(request: ExportRequest): Promise<ExportAnswer>;
  startCost(mmu: MmuMode): Promise<CostState>;
  costState(): Promise<CostState>;
  cancelCost(): Promise<CostState>;
}
