/**
 * ept_misconfig_inspect_spte (arch/x86/kvm/vmx.c of v3.11): what the kernel's log says of an entry on the way to an EPT
 * misconfiguration that no MMIO spte explains. A diagnostic only, with two mistakes of its own that are kept: its mask of
 * reserved bits starts one above MAXPHYADDR, and knows no 1 GiB page. Cold.
 */

/** ept_rsvd_mask. */
function eptReservedMask(spte: bigint, level: number, maxPhyAddr: number): bigint {
  let mask = 0n;
  for (let bit = 51; bit > maxPhyAddr; bit--) mask |= 1n << BigInt(bit);
  if (level > 2) return mask | 0xf8n;
  if (level === 2) return mask | ((spte & 0x80n) !== 0n ? 0x1f_f000n : 0x78n);
  return mask;
}

/** Lines for one entry; the first names it. Execute-only mappings are offered by the processor modelled here. */
export function inspectEptSpte(spte: bigint, level: number, maxPhyAddr: number): readonly string[] {
  const name = 'ept_misconfig_inspect_spte';
  const lines = [`${name}: spte 0x${spte.toString(16)} level ${level}`];
  const rwx = Number(spte & 7n);
  if (rwx === 0b010) lines.push('WARNING: write-only (010b)');
  if (rwx === 0b110) lines.push('WARNING: write and execute, not readable (110b)');
  if (rwx === 0) return lines;
  const reserved = spte & eptReservedMask(spte, level, maxPhyAddr);
  if (reserved !== 0n) lines.push(`${name}: rsvd_bits = 0x${reserved.toString(16)}`);
  const type = Number((spte >> 3n) & 7n);
  const leaf = level === 1 || (level === 2 && (spte & 0x80n) !== 0n);
  if (leaf && (type === 2 || type === 3 || type === 7)) lines.push(`${name}: ept_mem_type=0x${type.toString(16)}`);
  return lines;
}
