/** kvm_mmu_page_role as the tracepoints of v3.11 print it (KVM_MMU_PAGE_PRINTK of arch/x86/kvm/mmutrace.h). */

const ACCESS = ['---', '--x', 'w--', 'w-x', '-u-', '-ux', 'wu-', 'wux'] as const;

/** ACC_* bits: EXEC 1, WRITE 2, USER 4. */
export const accessText = (access: number): string => ACCESS[access & 7];

/** `4 q0 direct wux !nxe`: level, pae, quadrant, direct, access, invalid, nxe. */
export function roleText(role: number): string {
  const level = role & 0xf;
  const pae = ((role >>> 4) & 1) === 0 ? '' : ' pae';
  const quadrant = (role >>> 5) & 3;
  const direct = ((role >>> 13) & 1) === 0 ? '' : ' direct';
  const invalid = ((role >>> 17) & 1) === 0 ? '' : ' invalid';
  const nxe = ((role >>> 18) & 1) === 0 ? '!nxe' : 'nxe';
  return `${level}${pae} q${quadrant}${direct} ${accessText(role >>> 14)}${invalid} ${nxe}`;
}

/** Which part of a table of 1024 entries a shadow page is for; undefined where tables have 512. */
export function quadrantOf(role: number): number | undefined {
  const isDirect = ((role >>> 13) & 1) !== 0;
  const isPae = ((role >>> 4) & 1) !== 0;
  return isDirect || isPae ? undefined : (role >>> 5) & 3;
}
