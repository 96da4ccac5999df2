/** What was written into the scripted machine, over what its script says. */
import type { HiddenSegment, Moment, Params, Reply } from '@core/protocol/index.ts';
import { fakeMemory, fakeRegisters } from './fake-snapshots.ts';

export class FakeEdits {
  /** Of the segment register that was written last. */
  hidden: HiddenSegment | undefined;
  readonly written = new Map<string, bigint>();
  /** By `space:address`. */
  readonly poked = new Map<string, number>();

  registers(moment: Moment, rip: bigint): Reply<'registers.read'> {
    const read = fakeRegisters(moment, rip);
    const registers = read.registers.map((one) => ({ ...one, value: this.written.get(one.name) ?? one.value }));
    return { ...read, registers };
  }

  memory(moment: Moment, params: Params<'memory.read'>): Reply<'memory.read'> {
    return fakeMemory(moment, params, this.poked);
  }

  poke(moment: Moment, { space, address, bytes }: Params<'memory.write'>): Reply<'memory.write'> {
    bytes.forEach((byte, i) => this.poked.set(`${space}:${address + BigInt(i)}`, byte));
    return moment;
  }

  /** Only what was written can be found. */
  search(moment: Moment, wish: Params<'memory.search'>): Reply<'memory.search'> {
    const { space, start, length, pattern, limit } = wish;
    const end = start + BigInt(length);
    const isAt = (at: bigint): boolean =>
      [...pattern].every((byte, i) => this.poked.get(`${space}:${at + BigInt(i)}`) === byte);
    const matches = [...this.poked.keys()]
      .filter((key) => key.startsWith(`${space}:`))
      .map((key) => BigInt(key.slice(4)))
      .filter((at) => at >= start && at < end && isAt(at))
      .slice(0, limit);
    return { moment, matches, next: end };
  }
}
