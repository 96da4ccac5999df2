/** Traces from elsewhere: every form that real tools print is read, and what is none is refused by its line. */
import { describe, expect, it } from 'vitest';
import { asideOf, parseFtraceLine } from '../../../core/format/ftrace-line.ts';
import { FtraceReader } from '../../../core/format/ftrace-reader.ts';
import { sessionWith } from '../debug/debug-guest.ts';

describe('a line of an event', () => {
  it.each([
    [
      'of the trace file, with flags',
      ' qemu-system-x86-1000  [000] ....     0.001234: kvm_exit: reason EPT_MISCONFIG rip 0x1 info 0 0',
      ['qemu-system-x86', 1000, 0, '0.001234', 'kvm_exit', 'reason EPT_MISCONFIG rip 0x1 info 0 0'],
    ],
    [
      'of a thread whose name has a space, of a kernel with five flags',
      '       CPU 0/KVM-12345   [003] d..1. 12345.678901: kvm_mmio: mmio read len 4 gpa 0xfeb00000 val 0x0',
      ['CPU 0/KVM', 12345, 3, '12345.678901', 'kvm_mmio', 'mmio read len 4 gpa 0xfeb00000 val 0x0'],
    ],
    [
      'with the thread group',
      ' qemu-system-x86-1000  (   999) [000] ....     0.001234: kvm_entry: vcpu 0',
      ['qemu-system-x86', 1000, 0, '0.001234', 'kvm_entry', 'vcpu 0'],
    ],
    [
      'of trace-cmd report',
      'qemu-system-x86-4321  [001]  1234.567890: kvm_exit:             reason EPT_VIOLATION rip 0x1',
      ['qemu-system-x86', 4321, 1, '1234.567890', 'kvm_exit', 'reason EPT_VIOLATION rip 0x1'],
    ],
    [
      'of perf script',
      'qemu-system-x86  4321 [001]  1234.567890:     kvm:kvm_exit: reason EPT_VIOLATION rip 0x1',
      ['qemu-system-x86', 4321, 1, '1234.567890', 'kvm_exit', 'reason EPT_VIOLATION rip 0x1'],
    ],
    [
      'of a task that is called <idle>, in interrupt context',
      '          <idle>-0     [000] d.h.  9.000001: sched_switch: prev_comm=swapper/0 ==> next_comm=qemu',
      ['<idle>', 0, 0, '9.000001', 'sched_switch', 'prev_comm=swapper/0 ==> next_comm=qemu'],
    ],
    [
      'whose clock is a counter, and whose task is called like an id',
      '  a-b-77 [001] 123456: kvm_entry: vcpu 0',
      ['a-b', 77, 1, '123456', 'kvm_entry', 'vcpu 0'],
    ],
    ['without a text', '  a-77 [001] .... 12.300000: kvm_pio:', ['a', 77, 1, '12.300000', 'kvm_pio', '']],
  ])('%s', (_what, line, [task, pid, cpu, time, event, text]) => {
    expect(parseFtraceLine(line)).toMatchObject({ task, pid, cpu, time, event, text });
    expect(line.slice(parseFtraceLine(line)?.eventAt)).toMatch(new RegExp(`^${event}:`));
  });

  it.each(['', 'hello', '# tracer: nop', '  a-77 [001] .... 12.3 kvm_pio: x', 'a [000] 1.0: kvm_pio: x'])(
    'is not: %j',
    (line) => expect(parseFtraceLine(line)).toBeUndefined(),
  );

  it('is told from what else stands there', () => {
    expect(asideOf('CPU:1 [LOST 4711 EVENTS]')).toEqual({ kind: 'lost', events: 4711 });
    expect(asideOf('# tracer: function_graph')).toEqual({ kind: 'other-tracer', tracer: 'function_graph' });
    for (const line of [
      '',
      '#  | |',
      'cpus=8',
      'CPU 3 is empty',
      ' => vmx_vcpu_run',
      '   a-1 [000] ....  1.0: <stack trace>',
    ]) {
      expect(asideOf(line), line).toEqual({ kind: 'skipped' });
    }
    expect(asideOf('something else')).toBeUndefined();
  });
});

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const EVENT = ' qemu-1000  [000] ....     0.000001: kvm_entry: vcpu 0';

function read(text: string, piece = text.length, limits = {}) {
  const reader = new FtraceReader(limits);
  const all = bytes(text);
  for (let at = 0; at < all.length; at += piece) if (!reader.push(all.subarray(at, at + piece))) break;
  return reader.end();
}

describe('a trace file', () => {
  const session = sessionWith('poller');
  session.ask('trace.enable', { events: ['*'] });
  session.run(20_000);
  const { text } = session.ask('trace.export', { since: 0, limit: 1000 });
  const lines = text.split('\n').slice(0, -1);

  it('of ours is read as it was written, whatever the pieces that it comes in', () => {
    for (const piece of [1, 7, 4096, text.length]) {
      const file = read(`# tracer: nop\n#\n${text}`, piece);
      if (!file.ok) throw new Error(file.error);
      expect(file.value.text).toBe(text);
      expect(file.value.lines.length).toBe(lines.length);
      expect(file.value.lines[0]).toBe(3);
      const names = lines.map((_line, i) => {
        const { starts, eventAt } = file.value;
        return file.value.text.slice(starts[i] + eventAt[i], starts[i + 1]);
      });
      expect(names.every((name) => /^(kvm|mark|handle|check|fast|vcpu)\w+: /.test(name))).toBe(true);
    }
  });

  it('may end without a newline, have those of Windows, and say what was lost', () => {
    const file = read(`${EVENT}\r\nCPU:0 [LOST 12 EVENTS]\r\n${EVENT}`);
    expect(file.ok && { lost: file.value.lost, lines: [...file.value.lines], text: file.value.text }).toEqual({
      lost: 12,
      lines: [1, 3],
      text: `${EVENT}\n${EVENT}\n`,
    });
  });

  it.each([
    ['another text', `${EVENT}\nthis is a letter\n`, 'line 2 is no line of an ftrace text: “this is a letter”'],
    ['bytes that are no text', `${EVENT}\n\0\x01`, 'line 2 holds the byte 0x00, so it is no text'],
    ['a line without end', `${EVENT}\n${'x'.repeat(9000)}`, 'line 2 is longer than 4200 characters'],
    ['another tracer', '# tracer: function\n', 'line 1 says that the tracer is function'],
    ['a binary trace', '\x17\x08Dtracing6', 'line 1 is a binary trace of trace-cmd'],
    ['nothing', '', 'it is empty'],
    ['comments alone', '# tracer: nop\n#\n', 'none of its 2 lines is an event'],
  ])('is refused when it holds %s', (_what, text_, sentence) => {
    for (const piece of [3, 100_000]) {
      const file = read(text_, piece);
      // A magic number must come in one piece: a file is read in pieces of 64 KiB.
      if (piece === 3 && text_.startsWith('\x17')) continue;
      expect(file.ok ? '' : file.error).toContain(sentence);
    }
  });

  it('is taken up to its bounds, and says that it goes on', () => {
    const three = `${EVENT}\n`.repeat(3);
    const byEvents = read(three, 20, { events: 2 });
    expect(byEvents.ok && [byEvents.value.isCut, byEvents.value.lines.length]).toEqual([true, 2]);
    const byBytes = read(three, 20, { bytes: EVENT.length + 10 });
    expect(byBytes.ok && [byBytes.value.isCut, byBytes.value.lines.length]).toEqual([true, 1]);
    const whole = read(three, 20, { events: 3 });
    expect(whole.ok && whole.value.isCut).toBe(false);
  });

  it('of hostile lines takes no long time for any of them', () => {
    const hostile = [' ', '-1', '- ', '[1', ': ', 'a:'].map((part) => part.repeat(2000).slice(0, 4199));
    for (const line of hostile) expect(read(`${line}\n`).ok).toBe(false);
  });
});
