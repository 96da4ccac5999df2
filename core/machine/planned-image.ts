/** What loading an image comes to: which bytes go where, and where the guest starts. */
import type { ImageFormat } from './image.ts';
import type { MultibootHeader } from './multiboot-header.ts';
import type { Symbols } from './symbols.ts';

/** A part of an image: `bytes`, followed by zeros up to `reserved` bytes in all. */
export interface PlannedSegment {
  readonly gpa: number;
  readonly bytes: Uint8Array;
  readonly reserved: number;
}

export interface ImagePlan {
  readonly format: ImageFormat;
  readonly entry: number;
  readonly segments: readonly PlannedSegment[];
  readonly symbols: Symbols;
  readonly header: MultibootHeader | undefined;
}
