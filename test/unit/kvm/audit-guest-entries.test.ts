/** A synced shadow page against the guest's table: what the auditor says when the two have come apart. */
import { describe, expect, it, test } from 'vitest';
import { auditMmu } from '../../../core/kvm/audit/audit.ts';
import { A, D, data, NX, OPEN, P, PS, ShadowRig, U, W } from './shadow-rig.ts';

const findings = (rig: ShadowRig): readonly string[] =>
  auditMmu(rig.vm.mmu).violations.map(({ rule, text }) => `${rule}: ${text}`);

describe('an entry of the guest’s that the host changed behind KVM', () => {
  const written = (): ShadowRig => {
    const rig = new ShadowRig('4-level');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.write(rig.page(0), 1n);
    expect(rig.spte(rig.page(0)) & (P | W | U)).toBe(P | W | U);
    return rig;
  };

  test.each([
    ['lost its user', OPEN & ~U, 'forbids the user’s access, the shadow’s allows it'],
    ['may not be executed', OPEN | NX, 'forbids fetches, the shadow’s allows it'],
    ['may not be written', OPEN & ~W, 'forbids writes, the shadow’s allows it'],
    ['is clean', OPEN & ~D, 'is not dirty, so that a write has to set D, the shadow’s allows it'],
    ['was never accessed', OPEN & ~A, 'was never accessed, the shadow’s is present'],
    ['is not present', OPEN & ~P, 'is not present, the shadow’s is'],
  ])('%s', (_what, bits, text) => {
    const rig = written();
    const entry = BigInt(data(0)) | bits;
    rig.poke(rig.tables.window, 0, entry);
    expect(findings(rig)).toContain(`guest-entry: the guest’s entry 0x${entry.toString(16)} ${text}`);
  });

  it('says nothing as long as it gives more than the shadow', () => {
    const rig = new ShadowRig('4-level');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | (OPEN & ~W & ~U));
    rig.read(rig.page(0));
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    expect(findings(rig)).toEqual([]);
  });
});

it('a supervisor’s write under CR0.WP = 0 is no breach, for it takes the page from the users', () => {
  const rig = new ShadowRig('4-level', { wp: false });
  rig.poke(rig.tables.window, 0, BigInt(data(0)) | (OPEN & ~W));
  rig.write(rig.page(0), 1n);
  expect(rig.spte(rig.page(0)) & (W | U)).toBe(W);
  expect(findings(rig)).toEqual([]);
  // With the users in it, it would be one.
  rig.arena.u64[rig.sptepOf(rig.page(0)) >> 3] |= U;
  expect(findings(rig)).toContain(
    `guest-entry: the guest’s entry 0x${(BigInt(data(0)) | (OPEN & ~W)).toString(16)} forbids writes, the shadow’s allows it`,
  );
});

it('a page below a clean large entry may not be writable', () => {
  const rig = new ShadowRig('4-level');
  rig.poke(rig.tables.pd, 1, 0x40_0000n | PS | OPEN);
  rig.write(rig.page(0), 1n);
  expect(findings(rig)).toEqual([]);
  const clean = 0x40_0000n | PS | (OPEN & ~D);
  rig.poke(rig.tables.pd, 1, clean);
  expect(findings(rig)).toContain(
    `guest-entry: the guest’s entry 0x${clean.toString(16)} gives access 5, the role of the page below it has 7`,
  );
});
