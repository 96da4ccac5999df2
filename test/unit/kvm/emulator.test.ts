import { describe, expect, it } from 'vitest';
import { MMIO_LOG_RECORDS } from '../../../core/arena/trace-layout.ts';
import { KvmFixture, MIB, traceTexts } from './kvm-fixture.ts';

const HOLE = 0xfeb0_0000n;

/** Emulates one access at a hole and says what it read. */
function readAt(kvm: KvmFixture, gva: bigint, size: number): bigint {
  let result = 0n;
  kvm.cpu.script = (ops, cpu) => {
    const lo = ops.readData(cpu, Number(gva & 0xffff_ffffn) | 0, Number(gva >> 32n) | 0, size);
    result = (BigInt(cpu.hi >>> 0) << 32n) | BigInt(lo >>> 0);
  };
  kvm.eptViolation(0x8_0000_0000n);
  return result;
}

describe('accesses of an emulated instruction', () => {
  it.each([1, 2, 4, 8])('reads %i bytes from a device', (size) => {
    const kvm = new KvmFixture().trace('kvm_mmio');
    kvm.bus.value = 0x1122_3344_5566_7788n & ((1n << BigInt(8 * size)) - 1n);
    expect(readAt(kvm, HOLE, size)).toBe(kvm.bus.value);
    expect(kvm.bus.accesses).toEqual([{ write: false, gpa: HOLE, size, value: kvm.bus.value }]);
    expect(kvm.traced()).toEqual([
      `kvm_mmio type=0 len=${size} gpa=feb00000 val=0`,
      `kvm_mmio type=1 len=${size} gpa=feb00000 val=${kvm.bus.value.toString(16)}`,
    ]);
  });

  it('reads all ones where no device answers, and logs it as unsatisfied', () => {
    const kvm = new KvmFixture().trace('kvm_mmio');
    kvm.bus.claims = -1;
    expect(readAt(kvm, HOLE, 2)).toBe(0xffffn);
    expect(kvm.traced()).toEqual([
      'kvm_mmio type=0 len=2 gpa=feb00000 val=0',
      'kvm_mmio type=1 len=2 gpa=feb00000 val=ffff',
    ]);
    expect(kvm.faults()[0]).toMatchObject({ claim: 2, device: 0, size: 2, value: 0xffffn });
  });

  it('falls back to the bus where there is no memory, and uses memory where there is', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.arena.u64[(kvm.arena.layout.ram + 0x5000) >> 3] = 0x0807_0605_0403_0201n;
    expect(readAt(kvm, 0x5002n, 4)).toBe(0x0605_0403n);
    expect(kvm.bus.accesses).toEqual([]);
    kvm.bus.value = 9n;
    expect(readAt(kvm, 0x10_0000n, 4)).toBe(9n);
  });

  it.each([
    [1, 7],
    [3, 5],
    [5, 3],
    [7, 1],
  ])('splits 8 bytes at a page border into %i and %i, low page first', (first, second) => {
    const kvm = new KvmFixture();
    kvm.bus.value = 0xa1n;
    readAt(kvm, HOLE + 0x1000n - BigInt(first), 8);
    expect(kvm.bus.accesses.map(({ gpa, size }) => [gpa, size])).toEqual([
      [HOLE + 0x1000n - BigInt(first), first],
      [HOLE + 0x1000n, second],
    ]);
  });

  it('is traced as KVM does it: what nobody in the kernel can satisfy goes to user space, which answers', () => {
    const kvm = new KvmFixture().trace('kvm_mmio', 'kvm_userspace_exit');
    kvm.bus.value = 0x55n;
    readAt(kvm, HOLE, 4);
    kvm.writes(HOLE, 0x66n, 4).eptViolation(0x8_0000_0000n, 0x182);
    expect(traceTexts(kvm.arena)).toEqual([
      'mmio unsatisfied-read len 4 gpa 0xfeb00000 val 0x0',
      'reason KVM_EXIT_MMIO (6)',
      'mmio read len 4 gpa 0xfeb00000 val 0x55',
      'mmio write len 4 gpa 0xfeb00000 val 0x66',
      'reason KVM_EXIT_MMIO (6)',
    ]);
  });

  it('is traced at a page border as one read, with the length of its second part until it has come', () => {
    const kvm = new KvmFixture().trace('kvm_mmio', 'kvm_userspace_exit');
    kvm.bus.value = 0n;
    readAt(kvm, HOLE + 0xffdn, 8);
    kvm.writes(HOLE + 0xffdn, 0x0807_0605_0403_0201n, 8).eptViolation(0x8_0000_0000n, 0x182);
    expect(traceTexts(kvm.arena)).toEqual([
      'mmio unsatisfied-read len 5 gpa 0xfeb00ffd val 0x0',
      'reason KVM_EXIT_MMIO (6)',
      'reason KVM_EXIT_MMIO (6)',
      'mmio read len 8 gpa 0xfeb00ffd val 0x0',
      'mmio write len 3 gpa 0xfeb00ffd val 0x30201',
      'mmio write len 5 gpa 0xfeb01000 val 0x807060504',
      'reason KVM_EXIT_MMIO (6)',
      'reason KVM_EXIT_MMIO (6)',
    ]);
  });

  it.each([
    ['v3.11', ['pio_read at 0x60 size 1 count 1', 'reason KVM_EXIT_IO (2)']],
    ['v6.8', ['reason KVM_EXIT_IO (2)', 'pio_read at 0x60 size 1 count 1']],
  ] as const)('reads a port, in %s traced when user space is asked or has answered', (era, texts) => {
    const kvm = new KvmFixture({ era }).trace('kvm_pio', 'kvm_userspace_exit');
    kvm.cpu.script = (ops) => void ops.portIn(0x60, 1);
    kvm.eptViolation(0x8_0000_0000n);
    expect(traceTexts(kvm.arena)).toEqual(texts);
  });

  it('puts the halves of a crossing read together', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.arena.u8.set([0x11, 0x22, 0x33], kvm.arena.layout.ram + 0xffffd);
    kvm.bus.value = 0x99_8877_6655_44n & 0xff_ffff_ffffn;
    expect(readAt(kvm, 0xf_fffdn, 8)).toBe(((kvm.bus.value & 0xff_ffff_ffffn) << 24n) | 0x33_2211n);
  });

  it('writes the part that is memory and sends the rest to the bus', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.writes(0xf_fffen, 0x1122_3344_5566_7788n, 8).eptViolation(0x8_0000_0000n, 0x182);
    expect([...kvm.arena.u8.subarray(kvm.arena.layout.ram + 0xffffe, kvm.arena.layout.ram + 0x100000)]).toEqual([
      0x88, 0x77,
    ]);
    expect(kvm.bus.accesses).toEqual([{ write: true, gpa: 0x10_0000n, size: 6, value: 0x1122_3344_5566n }]);
  });

  it('takes the APIC page for MMIO whatever lies there', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0xfee0_0000n, 0x1000n);
    readAt(kvm, 0xfee0_0020n, 4);
    expect(kvm.bus.accesses).toHaveLength(1);
  });

  it('matches a cached gva under the shadow MMU, where gva and gpa are the same', () => {
    const kvm = new KvmFixture({ mmu: 'shadow' }).trace('vcpu_match_mmio');
    kvm.touch(HOLE);
    expect(kvm.traced(), 'nonpaging_map caches the address').toEqual([
      'vcpu_match_mmio gva=feb00000 gpa=feb00000 write=0 gpa_match=0',
    ]);
    // handle_mmio_page_fault_common caches gva 0 in a direct map, which matches nothing.
    kvm.touch(0xfec0_0000n);
    kvm.touch(HOLE);
    expect(kvm.traced().at(-1)).toBe('vcpu_match_mmio gva=feb00000 gpa=feb00000 write=0 gpa_match=1');
  });
});

describe('the MMIO log', () => {
  it('keeps the newest records and counts all of them', () => {
    const kvm = new KvmFixture();
    kvm.slot(0, 0n, MIB);
    kvm.touch(HOLE);
    for (let i = 0; i < MMIO_LOG_RECORDS; i++) kvm.eptMisconfig(HOLE);
    expect(kvm.outcomes()[0], 'the first record was overwritten').toBe('CACHED');
    expect(kvm.arena.f64[kvm.arena.layout.mmioLog >> 3]).toBe(MMIO_LOG_RECORDS + 1);
  });

  it('notes the access that the emulator made, which a misconfiguration does not tell', () => {
    const kvm = new KvmFixture();
    kvm.touch(HOLE);
    kvm.touch(HOLE, true);
    expect(kvm.faults().map(({ access }) => access)).toEqual([0, 1]);
    expect(kvm.faults()[1]).toMatchObject({ size: 4, value: 0x1234n, claim: 1, device: 1 });
  });
});

describe('a store of the emulator to a guest table', () => {
  it.each([4, 8])(
    'of %d bytes is made in words: who walks the table meanwhile reads no bytes of two entries',
    (size) => {
      const kvm = new KvmFixture();
      kvm.slot(0, 0n, MIB);
      const entry = kvm.arena.layout.ram + 0x5000;
      const bytes: number[] = [];
      const u8 = new Proxy(kvm.arena.u8, {
        get: (target, key): unknown => Reflect.get(target, key, target),
        set: (target, key, value) => {
          bytes.push(Number(key));
          return Reflect.set(target, key, value, target);
        },
      });
      Object.assign(kvm.arena, { u8 });
      kvm.writes(0x5000n, 0x8877_6655_4433_2211n, size).eptViolation(0x8_0000_0000n, 0x182);
      expect(kvm.arena.u64[entry >> 3]).toBe(BigInt.asUintN(size * 8, 0x8877_6655_4433_2211n));
      expect(bytes.filter((at) => at >= entry && at < entry + 8)).toEqual([]);
    },
  );
});

describe('a run that fails with an errno', () => {
  it('says so in kvm_userspace_exit: a slot whose user space has no memory there is EFAULT', () => {
    const kvm = new KvmFixture().trace('kvm_userspace_exit');
    const slot = { slot: 3, flags: 0, guestPhysAddr: 0x4000_0000n, memorySize: 0x1000n, userspaceAddr: 0x1000_0000n };
    expect(kvm.vm.setUserMemoryRegion(slot).ok).toBe(true);
    kvm.eptViolation(0x4000_0000n);
    expect(traceTexts(kvm.arena)).toEqual(['reason error (14)']);
  });
});
