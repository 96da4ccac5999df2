/** MAXPHYADDR 52 under shadow paging: no address bit is reserved, so MMIO cannot be told by one, and guest entries reach all of it. */
import { describe, expect, it } from 'vitest';
import { mmioSpteGfn, mmioSpteFormatOf } from '../../../core/kvm/spte/spte-mmio.ts';
import { highHalf, lowHalf } from '../../../core/base/address.ts';
import { traceIn, tracedIn } from './kvm-fixture.ts';
import { OPEN, ShadowRig } from './shadow-rig.ts';

const HOLE = 0x4000_0000n;
const FARTHEST = (1n << 51n) | 0x7000n;

describe.each(['4-level', 'pae'] as const)('52 address bits under %s paging', (mode) => {
  const rigged = (era: 'v3.11' | 'v6.8', frame = HOLE): ShadowRig => {
    const rig = new ShadowRig(mode, { era, maxPhyAddr: 52 });
    rig.poke(rig.tables.window, 0, frame | OPEN);
    rig.bus.value = 0x1234n;
    traceIn(rig.arena, ['kvm_page_fault', 'check_mmio_spte', 'handle_mmio_page_fault', 'mark_mmio_spte']);
    return rig;
  };
  /** The faults of the window, and what became of them. */
  const events = (rig: ShadowRig): string[] =>
    tracedIn(rig.arena)
      .filter(
        (line) => !line.startsWith('kvm_page_fault') || line.includes(`fault_address=${rig.page(0).toString(16)} `),
      )
      .map((line) => line.replace(/ .*error_code=(\w+).*/, ' $1').replace(/ (sptep|gfn)=.*/, ''));

  it('v3.11 makes an MMIO spte without bit 0: a plain fault each time, RSVD never, and the entry is marked again', () => {
    const rig = rigged('v3.11');
    for (let n = 0; n < 3; n++) expect(rig.read(rig.page(0))).toEqual({ value: 0x1234n });
    const spte = rig.spte(rig.page(0));
    expect(spte & 1n).toBe(0n);
    expect(spte >> 62n).toBe(3n);
    expect(rig.bus.accesses).toHaveLength(3);
    expect(events(rig)).toEqual(Array.from({ length: 3 }, () => ['kvm_page_fault 0', 'mark_mmio_spte']).flat());
    expect(rig.counters.mmio_exits).toBe(3);
  });

  it('v6.8 makes none: MMIO caching is off, the entry stays empty', () => {
    const rig = rigged('v6.8');
    for (let n = 0; n < 2; n++) expect(rig.read(rig.page(0))).toEqual({ value: 0x1234n });
    expect(rig.spte(rig.page(0))).toBe(0n);
    expect(events(rig)).toEqual(['kvm_page_fault 0', 'kvm_page_fault 0']);
  });

  it('a guest entry may have bit 51, which is reserved with 40 bits', () => {
    const rig = rigged('v3.11', FARTHEST);
    expect(rig.read(rig.page(0) + 8)).toEqual({ value: 0x1234n });
    expect(rig.bus.accesses).toEqual([{ write: false, gpa: FARTHEST + 8n, size: 4, value: 0x1234n }]);
    const spte = rig.spte(rig.page(0));
    expect(mmioSpteGfn(mmioSpteFormatOf(rig.arena), lowHalf(spte), highHalf(spte))).toBe(Number(FARTHEST >> 12n));
    const narrow = new ShadowRig(mode);
    narrow.poke(narrow.tables.window, 0, FARTHEST | OPEN);
    expect(narrow.read(narrow.page(0))).toEqual({ pageFault: 9, cr2: narrow.page(0) });
  });
});
