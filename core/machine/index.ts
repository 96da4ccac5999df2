/** The machine's public face. */
export { createMachine } from './machine-creation.ts';
export type { MachineConfig, MachineError } from './machine-config.ts';
export { type ImageSource, Machine, type VcpuBound } from './machine.ts';
export type { StateCodec } from './state/state-format.ts';
export { StateReader, type StateSink } from './state/state-reader.ts';
export { StateWriter } from './state/state-writer.ts';
export type { LaunchVcpu, VcpuHandle } from './parallel-run.ts';
export { buryVcpu } from './lost-vcpu.ts';
export { ThreadBoard } from './thread-board.ts';
export { type EventOutbox, OUTBOX_EVENTS, type ThreadEvent, type UntoldEvent } from './event-outbox.ts';
export type { MachineHooks, MakeThreadWatch, ThreadVerdict, ThreadWatch, ThreadWatchState } from './thread-watch.ts';
export type { MachineStop } from './machine-stop.ts';
export type { ImageError, ImageFault } from './image-error.ts';
export type { ImageFormat, LoadedImage, LoadedSegment } from './image.ts';
export { Symbols, type SymbolEntry, type SymbolLookup } from './symbols.ts';
export { defaultMemoryMap, type MemoryMapSlot } from './memory-map.ts';
