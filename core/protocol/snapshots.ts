/**
 * What the engine shows: immutable snapshots, each stamped with the moment it belongs to. Addresses and 64-bit values are
 * bigints here (structured clone carries them); JSON writers print them as hex strings. A file for each subject.
 */
export type * from './breakpoint-snapshots.ts';
export type * from './code-snapshots.ts';
export type * from './device-snapshots.ts';
export type * from './expression-snapshots.ts';
export type * from './generation-snapshots.ts';
export type * from './held-update.ts';
export type * from './machine-snapshots.ts';
export type * from './memory-snapshots.ts';
export type * from './memslot-snapshots.ts';
export type * from './mmio-snapshots.ts';
export type * from './race-snapshots.ts';
export type * from './spte-snapshots.ts';
export type * from './state-snapshots.ts';
export type * from './stats-snapshots.ts';
export type * from './trace-snapshots.ts';
