/** kvm_mmu_page_role as the tracepoints of v3.11 print it (KVM_MMU_PAGE_PRINTK of arch/x86/kvm/mmutrace.h). */

const ACCESS = ['---', '--x', 'w--', 'w-x', '-u-', '-ux', 'wu-', 'wux'] as const;

/** ACC_* bits: EXEC 1, WRITE 2, USER 4. */
export const accessText = (access: number): string => ACCESS[access & 7];

const isPae = (role: number): boolean => ((role >>> 4) & 1) !== 0;
const quadrantBits = (role: number): number => (role >>> 5) & 3;
const isDirect = (role: number): boolean => ((role >>> 13) & 1) !== 0;

/** `4 q0 direct wux !nxe`: level, pae, quadrant, direct, access, invalid, nxe. */
export function roleText(role: number): string {
  const level = role & 0xf;
  const pae = isPae(role) ? ' pae' : '';
  const direct = isDirect(role) ? ' direct' : '';
  const invalid = ((role >>> 17) & 1) === 0 ? '' : ' invalid';
  const nxe = ((role >>> 18) & 1) === 0 ? '!nxe' : 'nxe';
  return `${level}${pae} q${quadrantBits(role)}${direct} ${accessText(role >>> 14)}${invalid} ${nxe}`;
}

/** Which part of a table of 1024 entries a shadow page is for; undefined where tables have 512. */
export const quadrantOf = (role: number): number | undefined =>
  isDirect(role) || isPae(role) ? undefined : quadrantBits(role);
