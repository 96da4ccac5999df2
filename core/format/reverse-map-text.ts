/** A reverse map for people. */
import type { WalkShadowPage } from '../base/address-walk.ts';
import type { ReverseMap, ReverseMapLevel, ReverseMapSpte } from '../base/reverse-map.ts';
import { formatHex } from './address-text.ts';
import { roleText } from './role-text.ts';

const SIZES = ['', '4 KiB', '2 MiB', '1 GiB'] as const;

export function reverseMapLines(map: ReverseMap): readonly string[] {
  const { slot, gfn, hva, hpa } = map;
  const lines = [`gfn ${formatHex(gfn)} (gpa ${formatHex(BigInt(gfn) << 12n)})`];
  if (slot === undefined) lines.push('memslot:  none: accesses are MMIO');
  else {
    const flags = [
      slot.logDirtyPages ? 'KVM_MEM_LOG_DIRTY_PAGES' : '',
      slot.readonly ? 'KVM_MEM_READONLY' : '',
      slot.invalid ? 'KVM_MEMSLOT_INVALID' : '',
    ].filter((flag) => flag !== '');
    const range = `gfn ${formatHex(slot.baseGfn)} + ${slot.npages} pages`;
    lines.push(`memslot:  ${slot.id}, ${range}, hva ${formatHex(slot.hva)}, flags ${flags.join(' | ') || 'none'}`);
    lines.push(
      `backing:  hva ${formatHex(hva ?? 0n)}, ${hpa === undefined ? 'no memory behind it' : `hpa ${formatHex(hpa)}`}`,
    );
  }
  for (const level of map.levels) lines.push(...levelLines(level));
  lines.push(...mmioLines(map));
  lines.push(`write:    ${map.writeState}: ${map.writeText}`);
  if (map.dirty !== undefined) lines.push(`dirty:    its bit in the dirty bitmap is ${map.dirty ? 'set' : 'clear'}`);
  else if (slot !== undefined) lines.push('dirty:    the memslot does not log dirty pages');
  for (const { level, writeCount } of map.largePages) {
    const verdict = writeCount === 0 ? 'may be mapped large' : 'must not be mapped large';
    lines.push(`lpage:    ${SIZES[level]}: write_count ${writeCount}, ${verdict}`);
  }
  for (const page of map.shadowedBy) lines.push(`shadowed: by ${pageText(page)}`);
  return lines;
}

function levelLines({ level, word, value, shape, descriptors, sptes }: ReverseMapLevel): readonly string[] {
  const chain = descriptors.length === 0 ? '' : ` at ${descriptors.map((at) => formatHex(at)).join(', ')}`;
  const heading = `rmap ${SIZES[level]}: word at ${formatHex(word)} = ${formatHex(value >>> 0)}, ${shape}${chain}`;
  return [heading, ...sptes.map((spte) => `    ${spteText(spte)}`)];
}

function spteText({
  sptep,
  value,
  writable,
  hostWritable,
  mmuWritable,
  accessed,
  dirty,
  page,
}: ReverseMapSpte): string {
  const flags = [
    writable ? 'W' : 'write-protected',
    hostWritable ? 'host-writable' : '',
    mmuWritable ? 'mmu-writable' : '',
    accessed ? 'A' : '',
    dirty ? 'D' : '',
  ].filter((flag) => flag !== '');
  return `sptep ${formatHex(sptep)}: ${formatHex(value)} ${flags.join(' ')}, in ${page === undefined ? 'no page' : pageText(page)}`;
}

const pageText = ({ index, gfn, role, unsync, obsolete }: WalkShadowPage): string =>
  `sp ${index}: gfn ${formatHex(gfn)} ${roleText(role)}${unsync ? ', unsync' : ''}${obsolete ? ', obsolete' : ''}`;

function mmioLines({ mmioSptes }: ReverseMap): readonly string[] {
  return mmioSptes.map(({ sptep, value, page, gen, kvmGen }) => {
    const age =
      kvmGen < 0
        ? ''
        : `, generation ${formatHex(gen)}, current ${formatHex(kvmGen)}: ${gen === kvmGen ? 'fresh' : 'stale'}`;
    const where = page === undefined ? '' : `, in ${pageText(page)}`;
    return `mmio:     sptep ${formatHex(sptep)}: ${formatHex(value)}${age}${where}`;
  });
}
