/** What a dead worker's arena still tells: where its vCPUs stood and what was traced last. */
import type { Arena } from '../../core/arena/arena.ts';
import { VCPU_BYTES, VCPU_F_INSNS, VCPU_RIP } from '../../core/arena/vcpu-layout.ts';
import { u64FromHalves } from '../../core/base/address.ts';
import { lastTraceLines } from '../../core/debug/logs/trace-lines.ts';

const LINES = 32;

/** The vCPUs first, then the trace, oldest line first. Whatever the arena holds, this gives lines and does not throw. */
export function lastWords(arena: Arena): readonly string[] {
  return [...vcpuLines(arena), ...traceLines(arena)];
}

function vcpuLines(arena: Arena): readonly string[] {
  return Array.from({ length: arena.layout.config.vcpus }, (_unused, id) => {
    const block = arena.layout.vcpus + id * VCPU_BYTES;
    const rip = u64FromHalves(arena.i32[(block >> 2) + VCPU_RIP], arena.i32[(block >> 2) + VCPU_RIP + 1]);
    return `vCPU ${id}: rip 0x${rip.toString(16)}, ${arena.f64[(block >> 3) + VCPU_F_INSNS]} instructions retired`;
  });
}

function traceLines(arena: Arena): readonly string[] {
  try {
    return lastTraceLines(arena, LINES);
  } catch (error) {
    // The worker may have died in the middle of a record.
    return [`the trace cannot be read: ${error instanceof Error ? error.message : String(error)}`];
  }
}
