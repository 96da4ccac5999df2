/** What a translation permits, and the error code when it does not (SDM vol 3A, "Access Rights", "Page-Fault Exceptions"). */
import { VCPU_CR0, VCPU_CR4, VCPU_RFLAGS } from '../../arena/vcpu-layout.ts';
import {
  ACCESS_IMPLICIT,
  CR0_WP,
  CR4_PAE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_NXE,
  PFERR_FETCH,
  PFERR_USER,
  PFERR_WRITE,
  RIGHT_EXECUTE,
  RIGHT_USER,
  RIGHT_WRITE,
} from './paging-entry.ts';

const RFLAGS_AC = 0x4_0000;

/** Whether a translation with these rights allows the access (SDM vol 3A, "Access Rights"). */
export function permits(cr0: number, cr4: number, rflags: number, rights: number, access: number): boolean {
  const userPage = (rights & RIGHT_USER) !== 0;
  if ((access & PFERR_FETCH) !== 0) {
    if ((rights & RIGHT_EXECUTE) === 0) return false;
    return (access & PFERR_USER) !== 0 ? userPage : !userPage || (cr4 & CR4_SMEP) === 0;
  }
  const write = (access & PFERR_WRITE) !== 0;
  if ((access & PFERR_USER) !== 0) return userPage && (!write || (rights & RIGHT_WRITE) !== 0);
  if (userPage && (cr4 & CR4_SMAP) !== 0) {
    if ((access & ACCESS_IMPLICIT) !== 0 || (rflags & RFLAGS_AC) === 0) return false;
  }
  return !write || (rights & RIGHT_WRITE) !== 0 || (cr0 & CR0_WP) === 0;
}

export function permitsNow(r: Int32Array, rights: number, access: number): boolean {
  return permits(r[VCPU_CR0], r[VCPU_CR4], r[VCPU_RFLAGS], rights, access);
}

/** The error code of a page fault: P and RSVD from the walk, W and U from the access, F where fetches are told apart. */
export function pageFaultCode(cr4: number, efer: number, access: number, code: number): number {
  const tellsFetches = (cr4 & CR4_SMEP) !== 0 || ((cr4 & CR4_PAE) !== 0 && (efer & EFER_NXE) !== 0);
  return code | (access & (PFERR_WRITE | PFERR_USER)) | (tellsFetches ? access & PFERR_FETCH : 0);
}
