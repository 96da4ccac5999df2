/** umbra run --trace: a file that the parsers of other programs read, in the words of either kernel. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { TRACEPOINTS } from '../../../core/base/tracepoints.ts';
import { umbra } from './cli-runner.ts';

/**
 * comm-pid [cpu] flags timestamp: event: text, as trace viewers take lines of `trace` and `trace_pipe` apart: what
 * src/trace_processor/importers/systrace/systrace_line_tokenizer.cc of google/perfetto accepts.
 */
const TRACE_PIPE =
  /^\s*(.+)-(\d+)\s+\(?\s*(?:\d+|-+)?\)?\s?\[(\d+)\]\s*([a-zA-Z0-9.]{0,5})\s+(\d+\.\d+):\s+(\S+?):\s?(.*)$/;
/** Stricter about the four flags, and about what ends the name: tracing/importer/linux_perf_importer.js of catapult. */
const WITH_IRQ_INFO = /^\s*(.+)-(\d+)\s+\[(\d+)\]\s+[dX.][N.][Hhs.][0-9a-f.]\s+(\d+\.\d+):\s+(\S+):\s(.*)$/;
/** The same line to a reader that expects no flags column (`perf script` and older `trace-cmd report`), when it is taken out. */
const NO_FLAGS = /^\s*(\S+?)-(\d+)\s+\[(\d+)\]\s+(\d+\.\d+):\s+(?:\w+:)?(\w+):\s*(.*)$/;

/** Readers of trace-cmd's report: what Traceshark takes apart, tried with 0.9.14. Nothing between the processor and the time. */
const REPORT = /^\s*(\S.*)-(\d+) +\[(\d+)\] +(\d+\.\d+): (\w+): (.*)$/;

async function trace(...words: string[]): Promise<readonly string[]> {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'umbra-')), 'trace.txt');
  const { status, stderr } = await umbra(['run', ...words, '--mem', '16M', '--trace', file]);
  expect(status, stderr).toBeLessThan(128);
  return readFileSync(file, 'latin1').split('\n').slice(0, -1);
}

const eventsOf = (lines: readonly string[]): Set<string> =>
  new Set(lines.filter((line) => !line.startsWith('#')).map((line) => TRACE_PIPE.exec(line)?.[6] ?? `unread: ${line}`));

describe('a trace file', () => {
  it('begins as ftrace text does, with the number of its entries', async () => {
    const lines = await trace('hello');
    const entries = lines.filter((line) => !line.startsWith('#'));
    expect(lines[0]).toBe('# tracer: nop');
    expect(lines[2].trimEnd()).toBe(`# entries-in-buffer/entries-written: ${entries.length}/${entries.length}   #P:1`);
    expect(lines[10]).toBe('#              | |       |   ||||       |         |');
    expect(lines[11]).toMatch(/^ qemu-system-x86-1000 /);
    expect(entries.length).toBeGreaterThan(100);
  });

  it('has lines that other parsers take apart, each with an event that exists and time that never runs back', async () => {
    const lines = (await trace('faults', '--max-insns', '20000')).filter((line) => !line.startsWith('#'));
    const known = new Set(TRACEPOINTS.map(({ name }) => name));
    let last = 0;
    for (const line of lines) {
      const [, comm, pid, cpu, flags, time, event] = TRACE_PIPE.exec(line) ?? [];
      expect([comm.trim(), pid, cpu, flags], line).toEqual(['qemu-system-x86', '1000', '000', '....']);
      expect(known, line).toContain(event);
      expect(Number(time)).toBeGreaterThanOrEqual(last);
      last = Number(time);
      const strict = WITH_IRQ_INFO.exec(line);
      expect([strict?.[1].trim(), strict?.[2], strict?.[4], strict?.[5]], line).toEqual([
        comm.trim(),
        pid,
        time,
        event,
      ]);
      const plain = NO_FLAGS.exec(line.replace(' .... ', ' '));
      expect([plain?.[2], plain?.[4], plain?.[5]], line).toEqual([pid, time, event]);
    }
  });

  it('has no flags with ftrace’s noirq-info, in its lines and in its header', async () => {
    const lines = await trace('hello', '--trace-options', 'noirq-info');
    expect(lines.slice(3, 6)).toEqual([
      '#',
      '#           TASK-PID   CPU#      TIMESTAMP  FUNCTION',
      '#              | |       |          |         |',
    ]);
    const whole = await trace('hello');
    expect(whole.slice(0, 3)).toEqual(lines.slice(0, 3));
    const events = lines.slice(6);
    expect(events).toEqual(whole.slice(11).map((line) => line.replace('[000] .... ', '[000]  ')));
    expect(events.filter((line) => !REPORT.test(line))).toEqual([]);
    expect(whole.slice(11).filter((line) => REPORT.test(line))).toEqual([]);
  });

  it("is in the words of the era's kernel, or of the other when asked", async () => {
    const old = await trace('hello', '--era', 'v3.11');
    expect(old.some((line) => line.endsWith('kvm_entry: vcpu 0'))).toBe(true);
    const modern = await trace('hello', '--era', 'v6.8');
    expect(modern.some((line) => /kvm_entry: vcpu 0, rip 0x[0-9a-f]+$/.test(line))).toBe(true);
    expect(
      modern.some((line) =>
        /kvm_exit: vcpu 0 reason EPT_VIOLATION rip 0x[0-9a-f]+ info1 0x0000000000000184 /.test(line),
      ),
    ).toBe(true);
    expect(eventsOf(modern)).toContain('kvm_mmu_set_spte');
    expect(eventsOf(old)).not.toContain('kvm_mmu_set_spte');
    const asked = await trace('hello', '--era', 'v3.11', '--trace-wording', 'modern');
    expect(asked.some((line) => /kvm_entry: vcpu 0, rip/.test(line))).toBe(true);
    expect(eventsOf(asked)).toContain('kvm_mmu_spte_requested');
  });

  it('tells the walks of guest tables that KVM makes under the shadow MMU, element by element', async () => {
    const lines = (await trace('poller', '--mmu', 'shadow', '--append', 'mode=long count=0 limit=5')).filter(
      (line) => !line.startsWith('#'),
    );
    const texts = lines.map((line) => `${TRACE_PIPE.exec(line)?.[6]}: ${TRACE_PIPE.exec(line)?.[7]}`);
    const walk = texts.findIndex((text) => text.startsWith('kvm_mmu_pagetable_walk: addr '));
    expect(texts[walk]).toMatch(/^kvm_mmu_pagetable_walk: addr [0-9a-f]+ pferr [0-9a-f]+ [PWUF|]*$/);
    const elements = texts.slice(walk + 1, walk + 4);
    for (const [index, text] of elements.entries()) {
      expect(text).toMatch(new RegExp(`^kvm_mmu_paging_element: pte [0-9a-f]+ level ${4 - index}$`));
    }
    expect(eventsOf(lines)).toContain('kvm_mmu_set_accessed_bit');
    expect(eventsOf(lines)).toContain('kvm_mmu_get_page');
  });
});
