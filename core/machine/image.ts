/** What a loaded image is to the rest of the program. */
import type { Symbols } from './symbols.ts';

export type ImageFormat = 'multiboot-elf32' | 'multiboot-elf64' | 'multiboot-flat' | 'flat';

export interface LoadedSegment {
  /** Guest physical address. */
  readonly gpa: number;
  readonly bytes: number;
}

export interface LoadedImage {
  readonly name: string;
  readonly format: ImageFormat;
  /** Guest physical address of the first instruction. */
  readonly entry: number;
  readonly segments: readonly LoadedSegment[];
  readonly symbols: Symbols;
}
