/** What an expression asks of a machine, by probes: no bit of the arena changes. */
import type { Arena } from '../../arena/arena.ts';
import { VCPU_CPL } from '../../arena/vcpu-layout.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { PAGE_SIZE } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import { memslotsGeneration } from '../../kvm/memslots/memslots.ts';
import type { Machine } from '../../machine/index.ts';
import { readMemory } from '../memory/memory-view.ts';
import { retiredByAll } from '../run/moment.ts';
import { readRegister } from '../registers/register-file.ts';
import type { CounterName, FieldName } from './checker.ts';
import type { Values } from './evaluator.ts';
import type { Space } from './syntax.ts';

/** @param field the value of a field of the event that is asked about */
export function machineValues(
  machine: Machine,
  vcpuId: number,
  hits: number,
  field: (field: FieldName) => bigint,
): Values {
  const { cpu } = machine.vm.vcpus[vcpuId];
  return {
    register(name) {
      const value = readRegister(cpu, name);
      assert(value !== undefined, `the checker let a register through that is none: ${name}`);
      return value;
    },
    counter(name: CounterName): bigint {
      switch (name) {
        case 'vcpu':
          return BigInt(vcpuId);
        case 'cpl':
          return BigInt(cpu.r[VCPU_CPL]);
        case 'hits':
          return BigInt(hits);
        case 'insns':
          return BigInt(retiredByAll(machine.arena));
        case 'generation':
          return memslotsGeneration(machine.arena);
      }
    },
    field,
    memory: (space, address, bytes) => readValue(machine, vcpuId, space, address, bytes),
  };
}

/** Of tables in use and of others alike: what stands there, as a debugger of the host kernel would read it. */
function readSpte({ view, layout }: Arena, hpa: bigint, bytes: number): Result<bigint, string> {
  const { shadowPages } = layout;
  const end = shadowPages + layout.config.shadowPages * PAGE_SIZE;
  if (hpa < BigInt(shadowPages) || hpa + BigInt(bytes) > BigInt(end)) {
    const range = `0x${shadowPages.toString(16)} to 0x${(end - 1).toString(16)}`;
    return err(`shadow pages lie at hpa ${range}`);
  }
  let value = 0n;
  for (let i = 0; i < bytes; i++) value |= BigInt(view.getUint8(Number(hpa) + i)) << BigInt(8 * i);
  return ok(value);
}

/** A device's bytes are what it peeks: a register that cannot be peeked is not readable. */
function readValue(
  machine: Machine,
  vcpuId: number,
  space: Space,
  address: bigint,
  bytes: number,
): Result<bigint, string> {
  if (address + BigInt(bytes) > 1n << 64n) return err('it reaches past the last address');
  if (space === 'spte') return readSpte(machine.arena, address, bytes);
  let value = 0n;
  for (const span of readMemory(machine.arena, machine.devices.bus, vcpuId, space, address, bytes)) {
    if (span.kind === 'unreadable') return err(span.reason);
    if (span.bytes === undefined) return err('no memory slot and no device is there');
    for (let i = 0; i < span.length; i++) value |= BigInt(span.bytes[i]) << BigInt(8 * (span.offset + i));
  }
  return ok(value);
}
