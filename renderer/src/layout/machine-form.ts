/** The options of a machine as they stand in their form, and what they parse to. */
import type { MachineOptionsInput } from '@core/protocol/index.ts';
import { MAX_APPEND_CHARACTERS } from '@core/protocol/index.ts';
import { parseSize } from '@core/format/address-text.ts';
import type { Era, HostPages, MmuMode } from '../api/contract-words.ts';

const MIB = 1024 * 1024;
const PAGE = 4096n;
/** What the engine takes, as its schema has it. */
const MIN_RAM = BigInt(MIB);
const MAX_RAM = BigInt(1536 * MIB);

export interface MachineForm {
  mmu: MmuMode;
  era: Era;
  /** A number; the text of its field when that is none. */
  maxPhyAddr: number | string;
  mem: string;
  vcpus: number | string;
  /** A thread for each vCPU: they run at the same time, and no run is like another. */
  threads: boolean;
  hostPages: HostPages;
  /** Means something under EPT only. */
  eptAd: boolean;
  append: string;
}

export function formOfOptions(options: MachineOptionsInput): MachineForm {
  const ramBytes = options.ramBytes ?? 128 * MIB;
  return {
    mmu: options.mmu ?? 'ept',
    era: options.era ?? 'patch',
    maxPhyAddr: options.maxPhyAddr ?? 40,
    mem: ramBytes % MIB === 0 ? `${ramBytes / MIB}M` : `${ramBytes / 1024}K`,
    vcpus: options.vcpus ?? 1,
    threads: options.threads ?? false,
    hostPages: options.hostPages ?? '4k',
    eptAd: options.eptAd ?? false,
    append: options.append ?? '',
  };
}

export type ParsedMachineForm =
  | { readonly ok: true; readonly options: MachineOptionsInput }
  | { readonly ok: false; readonly field: keyof MachineForm; readonly message: string };

export function parseMachineForm(form: MachineForm): ParsedMachineForm {
  const { mmu, era, maxPhyAddr, mem, vcpus, threads, hostPages, append } = form;
  const refuse = (field: keyof MachineForm, message: string): ParsedMachineForm => ({ ok: false, field, message });
  const ram = parseSize(mem);
  if (ram === undefined) return refuse('mem', 'Memory is a size such as 128M.');
  if (ram < MIN_RAM || ram > MAX_RAM) return refuse('mem', 'Memory is between 1M and 1536M.');
  if (ram % PAGE !== 0n) return refuse('mem', 'Memory is a multiple of 4 KiB.');
  if (typeof maxPhyAddr !== 'number' || !Number.isInteger(maxPhyAddr) || maxPhyAddr < 32 || maxPhyAddr > 52) {
    return refuse('maxPhyAddr', 'MAXPHYADDR is a number from 32 to 52.');
  }
  if (typeof vcpus !== 'number' || !Number.isInteger(vcpus) || vcpus < 1 || vcpus > 8) {
    return refuse('vcpus', 'vCPUs is a number from 1 to 8.');
  }
  const eptAd = form.eptAd && mmu === 'ept';
  if (append.length > MAX_APPEND_CHARACTERS)
    return refuse('append', `The arguments may have ${MAX_APPEND_CHARACTERS} characters at most.`);
  return {
    ok: true,
    options: { mmu, era, maxPhyAddr, ramBytes: Number(ram), vcpus, threads, hostPages, eptAd, append },
  };
}
