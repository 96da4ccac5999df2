import { describe, expect, it } from 'vitest';
import { resolveAddress } from '../../../core/debug/memory/memory-target.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { KvmFixture, MIB } from '../kvm/kvm-fixture.ts';

describe('what lies behind an address', () => {
  const kvm = new KvmFixture({});
  kvm.slot(0, 0n, MIB);
  const { arena } = kvm.vm;

  it.each([
    ['gva', 0x5004n],
    ['gpa', 0x5004n],
    ['hva', HVA_BASE + 0x5004n],
  ] as const)('is one byte of RAM, named by %s', (space, address) => {
    expect(resolveAddress(arena, 0, space, address)).toMatchObject({ kind: 'ram', offset: arena.layout.ram + 0x5004 });
  });

  it.each(['gva', 'gpa', 'hva'] as const)('ends with 64 bits: there is no %s after the last one', (space) => {
    expect(resolveAddress(arena, 0, space, 1n << 64n)).toMatchObject({ kind: 'unreadable' });
    expect(resolveAddress(arena, 0, space, (1n << 64n) + 0x5004n)).toMatchObject({ kind: 'unreadable' });
  });
});
