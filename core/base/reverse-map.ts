/**
 * What one guest frame is to KVM: its slot, the host memory behind it, every spte that maps it, and why it may not be written
 * or mapped large. Made by core/kvm/probe/probe-rmap.ts, carried by the contract.
 */
import type { WalkShadowPage } from './address-walk.ts';

/** An spte that a reverse map names. */
export interface ReverseMapSpte {
  readonly sptep: number;
  readonly value: bigint;
  readonly level: number;
  readonly page: WalkShadowPage | undefined;
  /** W is set: the guest may write through it. */
  readonly writable: boolean;
  /** Software bits: the host lets the frame be written; no shadow page forbids it. */
  readonly hostWritable: boolean;
  readonly mmuWritable: boolean;
  readonly accessed: boolean;
  readonly dirty: boolean;
}

/** One rmap word: of the 4 KiB, 2 MiB or 1 GiB that the frame lies in. */
export interface ReverseMapLevel {
  readonly level: number;
  /** Arena offset of the word, and what it holds. */
  readonly word: number;
  readonly value: number;
  readonly shape: 'empty' | 'one spte' | 'descriptors';
  /** Arena offsets of the pte_list_desc of the chain. */
  readonly descriptors: readonly number[];
  readonly sptes: readonly ReverseMapSpte[];
}

export interface ReverseMapMmioSpte {
  readonly sptep: number;
  readonly value: bigint;
  readonly page: WalkShadowPage | undefined;
  /** −1 in an era without generations. */
  readonly gen: number;
  readonly kvmGen: number;
}

export type WriteState = 'not mapped' | 'writable' | 'dirty logging' | 'shadowed' | 'read-only';

export interface ReverseMap {
  readonly gfn: number;
  readonly slot:
    | {
        readonly id: number;
        readonly baseGfn: number;
        readonly npages: number;
        readonly hva: bigint;
        readonly logDirtyPages: boolean;
        readonly readonly: boolean;
        readonly invalid: boolean;
      }
    | undefined;
  readonly hva: bigint | undefined;
  /** Host physical address of the frame; undefined when nothing is behind the hva, or there is no slot. */
  readonly hpa: number | undefined;
  readonly levels: readonly ReverseMapLevel[];
  /** MMIO sptes whose gfn this is: in no reverse map, found by looking at every table. */
  readonly mmioSptes: readonly ReverseMapMmioSpte[];
  /** Its bit of the dirty bitmap; undefined while the slot does not log. */
  readonly dirty: boolean | undefined;
  readonly writeState: WriteState;
  /** The state in a sentence. */
  readonly writeText: string;
  /** lpage_info: reasons not to map the 2 MiB and 1 GiB around it by one spte; 0 means that it may be. */
  readonly largePages: readonly { readonly level: number; readonly writeCount: number }[];
  /** Indirect shadow pages made for the guest's page table in this frame. */
  readonly shadowedBy: readonly WalkShadowPage[];
}
