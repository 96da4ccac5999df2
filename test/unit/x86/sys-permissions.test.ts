import { describe, expect, it } from 'vitest';
import { VCPU_CR0, VCPU_CR4, VCPU_EFER } from '../../../core/arena/vcpu-layout.ts';
import {
  A,
  AC,
  type Access,
  Bench,
  CR0_WP,
  CR4_SMAP,
  CR4_SMEP,
  D,
  done,
  EFER_NXE,
  NX,
  type Outcome,
  P,
  pageFault,
  type Paging,
  U,
  W,
} from './sys-fixture.ts';

/** One situation of the matrix: the entries, the mode, and who does what. */
interface Situation {
  readonly present: boolean;
  readonly leafW: boolean;
  readonly leafU: boolean;
  readonly nx: boolean;
  readonly tableW: boolean;
  readonly tableU: boolean;
  readonly access: Access;
  readonly user: boolean;
  readonly wp: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly ac: boolean;
  readonly nxe: boolean;
}

/** The rule in words of the SDM's "Access Rights", written down on its own: an error code, or undefined when allowed. */
function expectedError(mode: Paging, s: Situation): number | undefined {
  const wide = mode !== '32-bit';
  const nx = s.nx && wide;
  const fetch = s.access === 'fetch';
  const write = s.access === 'write';
  const code = (write ? 2 : 0) + (s.user ? 4 : 0) + (fetch && (s.smep || (wide && s.nxe)) ? 16 : 0);
  if (!s.present) return code;
  if (nx && !s.nxe) return code + 9;
  const userPage = s.leafU && s.tableU;
  const writable = s.leafW && s.tableW;
  const denied = s.user
    ? !userPage || (write && !writable) || (fetch && nx)
    : (fetch && (nx || (s.smep && userPage))) ||
      (!fetch && s.smap && userPage && !s.ac) ||
      (write && !writable && s.wp);
  return denied ? code + 1 : undefined;
}

const BOOLEANS = [false, true];

function* situations(): Generator<Situation> {
  for (let bits = 0; bits < 1 << 12; bits++) {
    for (const access of ['read', 'write', 'fetch'] as const) {
      const on = (n: number): boolean => ((bits >> n) & 1) !== 0;
      yield {
        present: on(0),
        leafW: on(1),
        leafU: on(2),
        nx: on(3),
        tableW: on(4),
        tableU: on(5),
        user: on(6),
        wp: on(7),
        smep: on(8),
        smap: on(9),
        ac: on(10),
        nxe: on(11),
        access,
      };
    }
  }
}

const GVA = 0x0040_3000n;

function arrange(bench: Bench, mode: Paging, s: Situation): void {
  const leaf = 0x5000n | A | D | (s.present ? P : 0n) | (s.leafW ? W : 0n) | (s.leafU ? U : 0n);
  bench.mapGuest(mode, GVA, 0n, mode === '32-bit' || !s.nx ? leaf : leaf | NX);
  const at = bench.guestEntry(mode, GVA, 2);
  const table = (mode === '32-bit' ? BigInt(bench.readGuest32(at)) : bench.readGuest64(at)) & ~(W | U);
  const value = table | (s.tableW ? W : 0n) | (s.tableU ? U : 0n);
  if (mode === '32-bit') bench.writeGuest32(at, Number(value));
  else bench.writeGuest64(at, value);
  const { r } = bench;
  r[VCPU_CR0] = (r[VCPU_CR0] & ~CR0_WP) | (s.wp ? CR0_WP : 0);
  r[VCPU_CR4] = (r[VCPU_CR4] & ~(CR4_SMEP | CR4_SMAP)) | (s.smep ? CR4_SMEP : 0) | (s.smap ? CR4_SMAP : 0);
  r[VCPU_EFER] = (r[VCPU_EFER] & ~EFER_NXE) | (s.nxe ? EFER_NXE : 0);
  bench.rflags = s.ac ? 2 | AC : 2;
  bench.cpl = s.user ? 3 : 0;
}

const outcomeOf = (error: number | undefined): Outcome => (error === undefined ? done : pageFault(error));
const show = (mode: Paging, s: Situation): string => `${mode} ${JSON.stringify(s)}`;

describe.each(['32-bit', 'pae', '4-level'] as const)('what %s paging permits', (mode) => {
  it('is the rule of the manual in every combination of entries, mode bits, privilege and access', () => {
    const bench = new Bench();
    bench.paging(mode);
    for (const s of situations()) {
      arrange(bench, mode, s);
      bench.cpu.flushTlb();
      const want = outcomeOf(expectedError(mode, s));
      const got = bench.access(s.access, GVA);
      if (JSON.stringify(got) !== JSON.stringify(want)) expect(got, show(mode, s)).toEqual(want);
      if (got.kind === 'exception') expect(bench.faultAddress()).toBe(GVA);
    }
  });

  it('does not depend on what the TLB holds of the page', () => {
    const bench = new Bench();
    bench.paging(mode);
    for (const s of situations()) {
      if (!s.present || !s.leafU || !s.tableU) continue;
      for (const before of ['read', 'write', 'fetch'] as const) {
        for (const user of BOOLEANS) {
          arrange(bench, mode, { ...s, user });
          bench.cpu.flushTlb();
          bench.access(before, GVA);
          bench.cpl = s.user ? 3 : 0;
          const want = outcomeOf(expectedError(mode, s));
          const got = bench.access(s.access, GVA);
          if (JSON.stringify(got) !== JSON.stringify(want)) {
            expect(got, `${show(mode, s)} after a ${before} ${user ? 'by the user' : 'by the kernel'}`).toEqual(want);
          }
        }
      }
    }
  });
});
