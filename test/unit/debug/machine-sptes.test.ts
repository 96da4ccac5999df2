/** Whatever a running machine leaves in its tables, the decoder of its era reads it as the machine does, bit for bit. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERAS, MMU_MODES } from '../../../core/base/machine-modes.ts';
import { u64FromHalves } from '../../../core/base/address.ts';
import { indexSptes } from '../../../core/debug/sptes/spte-index.ts';
import { KIND_LEAF, KIND_LINK, KIND_MMIO } from '../../../core/debug/sptes/spte-kind.ts';
import { explainSpte } from '../../../core/kvm/spte/spte-decode.ts';
import { encodeMmioSpte } from '../../../core/kvm/spte/spte-encode.ts';
import { findSpteEra } from '../../../core/kvm/spte/spte-eras.ts';
import { spteHostOf } from '../../../core/kvm/spte/spte-mmio.ts';
import { smallMachine } from '../machine/small-machine.ts';

const STORM = new Uint8Array(readFileSync(new URL('../../../electron/guests/storm.elf', import.meta.url)));

const HOSTS = ERAS.flatMap((name) =>
  MMU_MODES.flatMap((mmu) =>
    [36, 40, 46, 52].flatMap((phys) => {
      const plain = [name, mmu, phys, undefined] as const;
      return name === 'v6.8' && phys <= 46 ? [plain, [name, mmu, phys, 46] as const] : [plain];
    }),
  ),
);

describe('the sptes of a storm guest', () => {
  it.each(HOSTS)('in %s under %s with MAXPHYADDR %i and L1TF bits %s', (name, mmu, maxPhyAddr, l1tfCacheBits) => {
    const { machine } = smallMachine({ ramBytes: 2 << 20, era: name, mmu, maxPhyAddr, l1tfCacheBits });
    const loaded = machine.loadImage(STORM, 'storm.elf', 'pages=12 passes=2 mode=flat op=both');
    if (!loaded.ok) throw new Error(loaded.error.message);
    expect(machine.run(10_000_000).kind).toBe('exit');
    const era = findSpteEra(name);
    if (era === undefined) throw new Error(name);
    const host = spteHostOf(machine.arena);
    const index = indexSptes(machine.arena);
    const gfns: number[] = [];
    for (let row = 0; row < index.count; row++) {
      const value = u64FromHalves(index.low[row], index.high[row]);
      const decoded = explainSpte(era, host, value);
      const kind = index.kind[row];
      if (kind === KIND_LEAF || kind === KIND_LINK) expect(decoded.kind).toBe('present');
      if (kind !== KIND_MMIO) continue;
      expect(decoded).toMatchObject({ kind: 'mmio', gfn: BigInt(index.gfn[row]) });
      expect(decoded.gen ?? -1).toBe(index.gen[row]);
      const access = mmu === 'ept' ? 0 : 6;
      const written = encodeMmioSpte(era, host, { gfn: BigInt(index.gfn[row]), access, gen: decoded.gen ?? 0 });
      expect(written).toEqual({ ok: true, value });
      gfns.push(index.gfn[row]);
    }
    // v6.8 makes none where no reserved bit is left to mark them by.
    const none = name === 'v6.8' && mmu !== 'ept' && maxPhyAddr === 52;
    const expected = none ? [] : Array.from({ length: 12 }, (_, page) => 0x200 + page);
    expect(gfns.filter((gfn) => gfn >= 0x200 && gfn < 0x20c).toSorted((a, b) => a - b)).toEqual(expected);
  });
});
