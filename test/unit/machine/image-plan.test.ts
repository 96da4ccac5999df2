import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planImage } from '../../../core/machine/image-plan.ts';
import { elfBytes, type ElfParts, multibootHeader, patched } from './image-bytes.ts';

const RAM = 16 << 20;
const MEMORY_INFO = 2;
const TEXT = { vaddr: 0x10_0000, paddr: 0x10_0000, bytes: [0xf4, 0xeb, 0xfd] };
const PLAIN: ElfParts = { bits: 32, entry: 0x10_0000, segments: [TEXT], multibootFlags: MEMORY_INFO };
const PLAIN_64: ElfParts = { ...PLAIN, bits: 64 };

function planned(image: Uint8Array) {
  const plan = planImage(image, RAM);
  if (!plan.ok) throw new Error(plan.error.message);
  return plan.value;
}
function refusal(image: Uint8Array) {
  const plan = planImage(image, RAM);
  if (plan.ok) throw new Error('was accepted');
  return plan.error;
}

describe('images that can be loaded', () => {
  test.each([
    { parts: PLAIN, format: 'multiboot-elf32' },
    { parts: PLAIN_64, format: 'multiboot-elf64' },
  ])('$format', ({ parts, format }) => {
    const plan = planned(elfBytes(parts));
    expect(plan.format).toBe(format);
    expect(plan.entry).toBe(0x10_0000);
    expect(plan.segments.map(({ gpa, reserved, bytes }) => ({ gpa, reserved, bytes: [...bytes] }))).toEqual([
      { gpa: 0x10_0000, reserved: 3, bytes: [0xf4, 0xeb, 0xfd] },
    ]);
  });

  test('the entry of a kernel linked to high addresses is where its segment is loaded', () => {
    const segments = [{ ...TEXT, vaddr: 0xc010_0000, paddr: 0x20_0000 }];
    expect(planned(elfBytes({ ...PLAIN, entry: 0xc010_0001, segments })).entry).toBe(0x20_0001);
  });

  test('also in the upper half of 64 bits, to the byte', () => {
    const segments = [{ ...TEXT, vaddr: 0xffff_ffff_8010_0000n, paddr: 0x20_0000 }];
    expect(planned(elfBytes({ ...PLAIN_64, entry: 0xffff_ffff_8010_0001n, segments })).entry).toBe(0x20_0001);
  });

  test('memory behind the file bytes of a segment is reserved', () => {
    const segments = [{ ...TEXT, memoryBytes: 0x5000 }];
    expect(planned(elfBytes({ ...PLAIN, segments })).segments[0].reserved).toBe(0x5000);
  });

  test('a header with addresses says itself what goes where', () => {
    const file = new Uint8Array(64);
    file.set(multibootHeader(0x1_0000, 0x20_0010, 0x20_0000, 0x20_0030, 0x20_1000, 0x20_0020), 16);
    const plan = planned(file);
    expect(plan.format).toBe('multiboot-flat');
    expect(plan.entry).toBe(0x20_0020);
    expect(plan.segments[0]).toMatchObject({ gpa: 0x20_0000, reserved: 0x1000 });
    expect(plan.segments[0].bytes.byteLength).toBe(0x30);
  });

  test('anything else is flat: at 1 MiB, entered there', () => {
    const plan = planned(Uint8Array.of(0xf4));
    expect(plan).toMatchObject({ format: 'flat', entry: 0x10_0000 });
  });

  test('symbols come along, by address and by name', () => {
    const symbols = [
      { name: 'start', value: 0x10_0000, size: 2, type: 2 },
      { name: 'stop', value: 0x10_0002, size: 0, type: 0 },
      { name: 'file.c', value: 0x10_0000, size: 0, type: 4 },
    ];
    for (const bits of [32, 64] as const) {
      const plan = planned(elfBytes({ ...PLAIN, bits, symbols }));
      expect(plan.symbols.entries.map((s) => s.name)).toEqual(['start', 'stop']);
      expect(plan.symbols.lookup(0x10_0001n)).toMatchObject({ symbol: { name: 'start' }, offset: 1n });
      expect(plan.symbols.find('stop')?.address).toBe(0x10_0002n);
    }
  });
});

const elf = elfBytes(PLAIN);
const elf64 = elfBytes(PLAIN_64);

describe('images that cannot', () => {
  test.each([
    { what: 'an empty file', image: new Uint8Array(0), fault: 'truncated', says: /empty/ },
    { what: 'an ELF cut in its header', image: elf.subarray(0, 40), fault: 'truncated', says: /ELF header/ },
    { what: 'an ELF cut in a segment', image: elf.subarray(0, 132), fault: 'truncated', says: /inside ELF segment 0/ },
    {
      what: 'an ELF without a Multiboot header',
      image: elfBytes({ bits: 32, entry: 0x10_0000, segments: [TEXT] }),
      fault: 'unsupported',
      says: /Multiboot 1 header/,
    },
    { what: 'another machine', image: elfBytes({ ...PLAIN, machine: 40 }), fault: 'unsupported', says: /machine 40/ },
    {
      what: 'an x86-64 ELF32',
      image: elfBytes({ ...PLAIN, machine: 62 }),
      fault: 'unsupported',
      says: /machine 62 with 32 bits/,
    },
    { what: 'a big-endian ELF', image: patched(elf, 5, 2), fault: 'unsupported', says: /little endian/ },
    { what: 'an ELF of no class', image: patched(elf, 4, 7), fault: 'malformed', says: /class 7/ },
    { what: 'a shared object', image: elfBytes({ ...PLAIN, type: 3 }), fault: 'unsupported', says: /-pie/ },
    {
      what: 'a dynamic executable',
      image: elfBytes({ ...PLAIN, segments: [{ ...TEXT, type: 3 }] }),
      fault: 'unsupported',
      says: /dynamic linker/,
    },
    {
      what: 'no segment to load',
      image: elfBytes({ ...PLAIN, segments: [{ ...TEXT, type: 4 }] }),
      fault: 'malformed',
      says: /no segment/,
    },
    { what: 'no program headers', image: patched(elf, 44, 0, 0), fault: 'malformed', says: /no program headers/ },
    { what: '65535 program headers', image: patched(elf, 44, 0xff, 0xff), fault: 'malformed', says: /65535/ },
    {
      what: '65534 program headers',
      image: patched(elf, 44, 0xfe, 0xff),
      fault: 'truncated',
      says: /program header table/,
    },
    { what: 'program headers of four bytes', image: patched(elf, 42, 4, 0), fault: 'malformed', says: /4 bytes/ },
    {
      what: 'program headers far outside',
      image: patched(elf64, 32, 255, 255, 255, 255, 255, 255, 255, 255),
      fault: 'truncated',
      says: /program header table/,
    },
    {
      what: 'a segment that wraps 64 bits',
      image: patched(elf64, 64 + 32, 255, 255, 255, 255, 255, 255, 255, 255),
      fault: 'malformed',
      says: /more bytes in the file/,
    },
    {
      what: 'a segment beyond RAM',
      image: elfBytes({ ...PLAIN, segments: [{ ...TEXT, memoryBytes: 0x7fff_ffff }] }),
      fault: 'out-of-ram',
      says: /no RAM/,
    },
    {
      what: 'a segment in the hole',
      image: elfBytes({ ...PLAIN, segments: [{ ...TEXT, paddr: 0xa_0000 }] }),
      fault: 'out-of-ram',
      says: /0xa0000/,
    },
    {
      what: 'a segment over the end of low RAM',
      image: elfBytes({ ...PLAIN, segments: [{ ...TEXT, paddr: 0x9_ffff }] }),
      fault: 'out-of-ram',
      says: /0x9ffff/,
    },
    {
      what: 'segments that overlap',
      image: elfBytes({ ...PLAIN, segments: [TEXT, { ...TEXT, paddr: 0x10_0002 }] }),
      fault: 'malformed',
      says: /overlap at 0x100002/,
    },
    {
      what: 'an entry outside',
      image: elfBytes({ ...PLAIN, entry: 0x10_0003 }),
      fault: 'malformed',
      says: /entry point 0x100003/,
    },
    { what: 'a flat image bigger than RAM', image: new Uint8Array(RAM), fault: 'out-of-ram', says: /no RAM/ },
    {
      what: 'an image bigger than 64 MiB',
      image: new Uint8Array((64 << 20) + 1),
      fault: 'unsupported',
      says: /64 MiB/,
    },
    {
      what: 'a Linux kernel',
      image: patched(new Uint8Array(1024), 0x202, 0x48, 0x64, 0x72, 0x53),
      fault: 'unsupported',
      says: /bzImage/,
    },
    { what: 'a gzip file', image: Uint8Array.of(0x1f, 0x8b, 8), fault: 'unsupported', says: /gzip/ },
    { what: 'a PE program', image: Uint8Array.of(0x4d, 0x5a, 0), fault: 'unsupported', says: /PE/ },
    {
      what: 'unknown Multiboot requirements',
      image: elfBytes({ ...PLAIN, multibootFlags: 0x8000 }),
      fault: 'unsupported',
      says: /flags 0x8000/,
    },
    {
      what: 'a graphics mode',
      image: elfBytes({ ...PLAIN, multibootFlags: 0x4 }),
      fault: 'unsupported',
      says: /text only/,
    },
    {
      what: 'a Multiboot header without addresses that is no ELF',
      image: multibootHeader(0),
      fault: 'malformed',
      says: /flag 16/,
    },
    {
      what: 'a Multiboot header cut off',
      image: multibootHeader(0x1_0000, 0x10_0000),
      fault: 'truncated',
      says: /cut off/,
    },
    {
      what: 'a load address above the header',
      image: multibootHeader(0x1_0000, 0x10_0000, 0x10_0004, 0, 0, 0x10_0004),
      fault: 'malformed',
      says: /above header_addr/,
    },
    {
      what: 'a load address before the file',
      image: multibootHeader(0x1_0000, 0x10_0010, 0x10_0000, 0, 0, 0x10_0000),
      fault: 'malformed',
      says: /before the start/,
    },
    {
      what: 'a load end below the start',
      image: multibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0xf_0000, 0, 0x10_0000),
      fault: 'malformed',
      says: /load_end_addr/,
    },
    {
      what: 'a load end behind the file',
      image: multibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0x10_1000, 0, 0x10_0000),
      fault: 'truncated',
      says: /load_end_addr/,
    },
    {
      what: 'a bss end below the load end',
      image: multibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0x10_0020, 0x10_0010, 0x10_0000),
      fault: 'malformed',
      says: /bss_end_addr/,
    },
    {
      what: 'an entry outside the addresses',
      image: multibootHeader(0x1_0000, 0x10_0000, 0x10_0000, 0, 0, 0x50_0000),
      fault: 'malformed',
      says: /entry point/,
    },
  ])('$what', ({ image, fault, says }) => {
    const error = refusal(image);
    expect(error.message).toMatch(says);
    expect(error.fault).toBe(fault);
    expect(error.message).toMatch(/^[A-Z0-9].*[.)]$/);
  });
});

describe('hostile bytes', () => {
  const image = elfBytes({
    ...PLAIN_64,
    segments: [TEXT, { ...TEXT, paddr: 0x20_0000 }],
    symbols: [{ name: 'a', value: 1, size: 1, type: 2 }],
  });
  const settled = (bytes: Uint8Array): boolean => {
    const plan = planImage(bytes, RAM);
    if (!plan.ok) return plan.error.message.length > 10;
    return plan.value.segments.every(
      ({ gpa, reserved, bytes: part }) => part.byteLength <= reserved && gpa >= 0 && gpa + reserved <= RAM,
    );
  };

  test('are answered with a plan inside RAM or a sentence', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), settled), { numRuns: 500 });
  });

  test('in place of some bytes of a good image, too', () => {
    const change = fc.tuple(fc.nat(image.byteLength - 1), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));
    fc.assert(
      fc.property(
        fc.constantFrom(image, elf, elf64),
        fc.array(change, { minLength: 1, maxLength: 12 }),
        (base, changes) => {
          const bytes = Uint8Array.from(base);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          return settled(bytes);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('and a good image cut anywhere', () => {
    for (let end = 0; end <= image.byteLength; end += 1) expect(settled(image.subarray(0, end))).toBe(true);
  });

  test('names without an end take no time and are left out', () => {
    const symbols = Array.from({ length: 3000 }, () => ({ name: 'x'.repeat(40), value: 0x10_0000, size: 0, type: 0 }));
    const bytes = elfBytes({ ...PLAIN_64, symbols });
    for (let i = bytes.byteLength - 130_000; i < bytes.byteLength - 192; i += 1) if (bytes[i] === 0) bytes[i] = 0x78;
    expect(planImage(bytes, RAM).ok).toBe(true);
  });
});
