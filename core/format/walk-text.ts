/** A walk for people: the guest's tables on the left, the hardware's on the right, and what the access comes to. */
import type {
  AddressWalk,
  WalkGuestEntry,
  WalkGuestTree,
  WalkHostEntry,
  WalkHostTree,
  WalkRule,
} from '../base/address-walk.ts';
import type { EntryField } from '../base/entry-field.ts';
import { formatHex, formatU64 } from './address-text.ts';
import { roleText } from './role-text.ts';
import { fieldBits } from './spte-text.ts';

const HOST_NAMES = { none: 'no second level', ept: 'EPT', npt: 'NPT', shadow: 'shadow page table' } as const;
const MODE_NAMES = {
  none: 'paging is off',
  '32-bit': '32-bit paging',
  pae: 'PAE',
  '4-level': '4-level paging',
} as const;
const LEFT_WIDTH = 76;

/** @param columns how wide a line may be: where two trees have no room beside each other, one stands below the other */
export function walkLines(walk: AddressWalk, columns = 2 * LEFT_WIDTH): readonly string[] {
  const { space, address, access, user, vcpu, guest, host, tlb, end, kvm } = walk;
  const who = user ? 'user' : 'supervisor';
  const left = guest === undefined ? ['(the walk begins at a guest physical address)'] : guestLines(guest);
  const right = host === undefined ? ["(the guest's tables lead nowhere)"] : hostLines(host);
  const last = host?.levels.at(-1);
  return [
    `${who} ${access} of ${space} ${formatHex(address)} on vCPU ${vcpu}`,
    '',
    ...(columns < 2 * LEFT_WIDTH ? [...left, '', ...right] : sideBySide(left, right)),
    '',
    ...(last === undefined ? [] : entryLines(last)),
    ...(tlb === undefined ? [] : [`TLB:      holds it already, at hpa ${formatHex(tlb)}: nothing is walked this time`]),
    `hardware: ${end.text}`,
    ...(end.source === '' ? [] : [`          (${end.source})`]),
    ...(kvm === undefined ? [] : [`KVM:      ${kvm.text}`, `          (${kvm.source})`]),
  ];
}

function guestLines(tree: WalkGuestTree): readonly string[] {
  const lines = [`guest page tables: ${MODE_NAMES[tree.mode]}`];
  for (const entry of tree.levels) lines.push(...guestEntryLines(entry));
  if (tree.gpa !== undefined) lines.push(`=> gpa ${formatHex(tree.gpa)}${sizeText(tree.pageSize)}, ${tree.rights}`);
  if (tree.rule !== undefined) lines.push(...ruleLines(tree.rule, LEFT_WIDTH));
  return lines;
}

function guestEntryLines({ level, name, gpa, value, rights, fields, marks, stage }: WalkGuestEntry): readonly string[] {
  const where = gpa === undefined ? 'register' : `gpa ${formatHex(gpa)}`;
  const lines = [`${level} ${name} ${where}: ${formatHex(value)}  ${rights}`, `    ${fieldsText(fields)}`];
  if (stage?.rule !== undefined) lines.push(`    ! not reachable: ${stage.rule.text}`);
  else if (stage !== undefined) {
    const rightsOfStage = stage.entries.at(-1)?.rights ?? '';
    lines.push(
      `    read at hpa ${formatHex(stage.hpa ?? 0)}, ${rightsOfStage} by ${stage.entries.length} second-level entries`,
    );
  }
  if (marks !== '') lines.push(`    the access sets ${marks}`);
  return lines;
}

function hostLines(tree: WalkHostTree): readonly string[] {
  const what = tree.kind === 'shadow' ? 'linear address' : 'gpa';
  const lines = [`${HOST_NAMES[tree.kind]}: ${what} ${formatHex(tree.address)}`];
  for (const entry of tree.levels) lines.push(...hostEntryLines(entry));
  if (tree.hpa !== undefined) lines.push(`=> hpa ${formatHex(tree.hpa)}${sizeText(tree.pageSize)}`);
  if (tree.rule !== undefined) lines.push(...ruleLines(tree.rule, LEFT_WIDTH));
  return lines;
}

function hostEntryLines({ level, sptep, value, rights, fields, kind, page, mmio }: WalkHostEntry): readonly string[] {
  const lines = [`${level} sptep ${formatHex(sptep)}: ${formatHex(value)}  ${rights}`];
  if (mmio !== undefined) lines.push(`    MMIO spte, gfn ${formatHex(mmio.gfn)}${generationText(mmio)}`);
  else lines.push(`    ${kind === 'present' ? fieldsText(fields) : kind}`);
  if (page === undefined) lines.push('    in pae_root of the vCPU');
  else {
    const state = `${page.unsync ? ', unsync' : ''}${page.obsolete ? ', obsolete' : ''}`;
    lines.push(`    in sp ${page.index}: gfn ${formatHex(page.gfn)} ${roleText(page.role)}${state}`);
  }
  return lines;
}

function generationText({ gen, kvmGen }: { readonly gen: number; readonly kvmGen: number }): string {
  if (kvmGen < 0) return '';
  const verdict = gen === kvmGen ? 'fresh' : 'stale';
  return `, generation ${formatHex(gen)}, current ${formatHex(kvmGen)}: ${verdict}`;
}

/** The entry at which the second level ended, field by field. */
function entryLines({ level, value, fields, notes }: WalkHostEntry): readonly string[] {
  const shown = fields.filter(({ role, value: bits }) => role !== 'ignored' || bits !== 0n);
  const width = Math.max(...shown.map(({ name }) => name.length));
  return [
    `last entry, level ${level}: ${formatU64(value)}`,
    ...shown.map((field) => {
      const bits = fieldBits(field).padStart(7);
      return `  ${bits}  ${field.name.padEnd(width)}  ${formatHex(field.value).padEnd(12)}  ${field.meaning}`.trimEnd();
    }),
    ...notes.map((note) => `  note: ${note}`),
    '',
  ];
}

/** `P R/W U/S A, table: guest physical address 0x105000`: single bits that are set, and where the entry leads. */
function fieldsText(fields: readonly EntryField[]): string {
  const flags = fields.filter(({ high, low, value, role }) => high === low && value === 1n && role !== 'ignored');
  const frame = fields.find(({ role }) => role === 'gfn');
  const names = flags.map(({ name }) => name).toReversed();
  const text = names.length === 0 ? 'no flags' : names.join(' ');
  return frame === undefined || names.length === 0 ? text : `${text}, ${frame.name}: ${frame.meaning}`;
}

function ruleLines({ text, source, level }: WalkRule, width: number): readonly string[] {
  const where = level === undefined ? '' : ` at level ${level}`;
  return [...wrap(`!! failed${where}: ${text}`, width), ...(source === '' ? [] : wrap(`   (${source})`, width))];
}

function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return '';
  return bytes < 0x10_0000
    ? `, ${bytes / 1024} KiB page`
    : bytes < 0x4000_0000
      ? `, ${bytes / 0x10_0000} MiB page`
      : ', 1 GiB page';
}

/** Breaks at spaces; what follows the first line is indented. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = `   ${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function sideBySide(left: readonly string[], right: readonly string[]): readonly string[] {
  const wrapped = left.flatMap((line) => (line.length <= LEFT_WIDTH ? [line] : wrap(line, LEFT_WIDTH)));
  const width = Math.max(...wrapped.map((line) => line.length));
  return Array.from({ length: Math.max(wrapped.length, right.length) }, (_, row) =>
    `${(wrapped[row] ?? '').padEnd(width)} | ${right[row] ?? ''}`.trimEnd(),
  );
}
