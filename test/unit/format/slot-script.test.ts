import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { MAX_SCRIPT_CHARACTERS, MAX_SCRIPT_STEPS, parseSlotScript } from '../../../core/format/slot-script.ts';

describe('a memslot script', () => {
  it('is read call by call, with comments and blank lines left out', () => {
    const script = [
      '# a window',
      '',
      'set slot=3 gpa=0xfee00000 size=0x1000 hva=0x7f0000000000 flags=log-dirty,readonly  # here',
      '\tdelete   slot=3\r',
      'dirty-log slot=0x10',
      'generation 0x7_fff0',
    ].join('\n');
    const region = {
      slot: 3,
      flags: 3,
      guestPhysAddr: 0xfee0_0000n,
      memorySize: 0x1000n,
      userspaceAddr: 0x7f00_0000_0000n,
    };
    expect(parseSlotScript(script)).toEqual({
      ok: true,
      value: [
        {
          line: 3,
          at: 0,
          text: 'set slot=3 gpa=0xfee00000 size=0x1000 hva=0x7f0000000000 flags=log-dirty,readonly',
          action: { kind: 'set', region },
        },
        { line: 4, at: 0, text: 'delete   slot=3', action: { kind: 'delete', slot: 3 } },
        { line: 5, at: 0, text: 'dirty-log slot=0x10', action: { kind: 'dirty-log', slot: 16 } },
        { line: 6, at: 0, text: 'generation 0x7_fff0', action: { kind: 'generation', generation: 0x7fff0n } },
      ],
    });
  });

  it('says when a call is due; a line without a time follows the one above', () => {
    const steps = parseSlotScript('delete slot=1\nat 5_000 delete slot=2\ndelete slot=3\nat 0x2000 delete slot=4');
    expect(steps.ok && steps.value.map(({ at }) => at)).toEqual([0, 5000, 5000, 0x2000]);
    expect(steps.ok && steps.value[1].text).toBe('delete slot=2');
  });

  it.each([
    ['hva=ram', HVA_BASE],
    ['hva=ram+0x1000', HVA_BASE + 0x1000n],
    ['hva=4096', 4096n],
  ])('knows %s', (hva, address) => {
    const steps = parseSlotScript(`set slot=0 gpa=0 size=4K ${hva}`);
    expect(steps.ok && steps.value[0].action).toMatchObject({ kind: 'set', region: { userspaceAddr: address } });
  });

  it.each([
    ['4096', 4096n],
    ['0x1001', 0x1001n],
    ['640K', 655_360n],
    ['127m', 133_169_152n],
    ['1G', 1_073_741_824n],
    ['0', 0n],
  ])('knows size=%s', (size, bytes) => {
    const steps = parseSlotScript(`set slot=0 gpa=0 hva=0 size=${size}`);
    expect(steps.ok && steps.value[0].action).toMatchObject({ kind: 'set', region: { memorySize: bytes } });
  });

  it.each([
    ['none', 0],
    ['readonly', 2],
    ['readonly,log-dirty', 3],
    ['0x80000000', 0x8000_0000],
  ])('knows flags=%s', (text, flags) => {
    const steps = parseSlotScript(`set slot=0 gpa=0 size=0 hva=0 flags=${text}`);
    expect(steps.ok && steps.value[0].action).toMatchObject({ kind: 'set', region: { flags } });
  });

  it.each([
    ['frobnicate slot=1', 1, "'frobnicate' is not a command: use set, delete, dirty-log, generation"],
    ['constructor slot=1', 1, 'is not a command'],
    ['delete', 7, "'delete' needs slot=…"],
    ['delete slot', 8, 'is not of the form name=value'],
    ['delete slot=', 13, 'is not a number'],
    ['delete slot=-1', 13, 'is not a number'],
    ['delete slot=1e3', 13, 'is not a number'],
    ['delete slot=0x1ffffffff', 13, 'at most 32 bits'],
    ['delete slot=1 slot=2', 15, 'slot is given twice'],
    ['delete slot=1 gpa=0', 15, "'delete' has no field 'gpa'"],
    ['  delete slot=x', 15, 'is not a number'],
    ['set slot=1 gpa=0 size=4Q hva=0', 23, 'is not a size'],
    ['set slot=1 gpa=0 size=0x10000000000000000 hva=0', 23, 'is not a size'],
    ['set slot=1 gpa=0 size=99999999999999999999G hva=0', 23, 'is not a size'],
    ['set slot=1 gpa=fee00000 size=4K hva=0', 16, 'write it like 0xfee00000'],
    ['set slot=1 gpa=0 size=4K', 25, "'set' needs hva=…"],
    ['set slot=1 gpa=0 size=4K hva=ram+x', 34, 'is not an offset'],
    ['set slot=1 gpa=0 size=4K hva=0 flags=dirty', 38, "flag 'dirty' is not known"],
    ['set slot=1 gpa=0 size=4K hva=0 flags=', 38, 'is not known'],
    ['at', 3, "'at' wants a number"],
    ['at soon delete slot=1', 4, "'at' wants a number"],
    ['at 99999999999999999999 delete slot=1', 4, "'at' wants a number"],
    ['at 10', 6, 'a command must follow'],
    ['generation', 11, 'wants a number'],
    ['generation 1 2', 14, 'nothing may follow'],
    ['at 5 delete slot=1\nat 4 delete slot=2', 4, 'lies before the line above', 2],
    ['# fine\n\ndelete slot=x', 13, 'is not a number', 3],
  ])('is refused for %j at column %i', (script, column, message, line = 1) => {
    expect(parseSlotScript(script)).toEqual({
      ok: false,
      error: { line, column, message: expect.stringContaining(message) },
    });
  });

  it('has a bounded length and a bounded number of calls', () => {
    expect(parseSlotScript('#'.repeat(MAX_SCRIPT_CHARACTERS + 1))).toMatchObject({ ok: false });
    const calls = 'delete slot=1\n'.repeat(MAX_SCRIPT_STEPS);
    expect(parseSlotScript(calls).ok).toBe(true);
    expect(parseSlotScript(`${calls}delete slot=1`)).toMatchObject({
      ok: false,
      error: { line: MAX_SCRIPT_STEPS + 1 },
    });
  });
});
