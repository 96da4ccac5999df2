/** What the auditor found, for people and as JSON. */
import { formatU64 } from '../../core/format/address-text.ts';
import { roleText } from '../../core/format/role-text.ts';
import { AUDIT_RULES, type AuditEvent, type AuditReport, type AuditViolation } from '../../core/kvm/audit/audit.ts';

/** One audit of a run. */
export interface AuditAt {
  readonly insns: number;
  readonly report: AuditReport;
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

export function violationLines(insns: number, violation: AuditViolation): readonly string[] {
  const { rule, text, sptep, value, page, gfn, role, decoded, events, eraBug } = violation;
  const lines = [`audit: at ${insns}: ${rule}: ${text}`, `  rule: ${AUDIT_RULES[rule]}`];
  if (eraBug !== undefined) lines.push(`  a known bug of this era: ${eraBug.name}, mended by ${eraBug.fix}`);
  if (page !== undefined) {
    const where = gfn === undefined ? '' : `, gfn ${hex(gfn)}`;
    lines.push(`  page ${page}${where}${role === undefined ? '' : `, role ${roleText(role)}`}`);
  }
  if (sptep !== undefined)
    lines.push(`  sptep ${hex(sptep)}${value === undefined ? '' : ` holds ${formatU64(value)}`}`);
  for (const field of decoded?.fields ?? []) {
    if (field.value !== 0n)
      lines.push(`    ${field.high}–${field.low} ${field.name} ${hex(field.value)} ${field.meaning}`);
  }
  if (events.length > 0) lines.push('  last events that touched it:');
  for (const event of events) lines.push(`    ${eventLine(event)}`);
  return lines;
}

const eventLine = ({ insns, vcpu, name, fields }: AuditEvent): string =>
  `${insns} vcpu ${vcpu} ${name}: ${fields.map(([field, value]) => `${field} ${typeof value === 'string' ? value : hex(value)}`).join(', ')}`;

/** For programs: 64-bit values as hex strings, what does not apply as null. */
export function violationJson(insns: number, violation: AuditViolation): Readonly<Record<string, unknown>> {
  const { rule, text, sptep, value, page, level, role, gfn, decoded, events, eraBug } = violation;
  return {
    insns,
    rule,
    statement: AUDIT_RULES[rule],
    text,
    eraBug: eraBug ?? null,
    sptep: sptep === undefined ? null : hex(sptep),
    value: value === undefined ? null : formatU64(value),
    kind: decoded?.kind ?? null,
    page: page ?? null,
    level: level ?? null,
    role: role === undefined ? null : roleText(role),
    gfn: gfn === undefined ? null : hex(gfn),
    events: events.map(({ insns: at, vcpu, name, fields }) => ({
      insns: at,
      vcpu,
      name,
      fields: Object.fromEntries(fields.map(([field, it]) => [field, typeof it === 'string' ? it : hex(it)])),
    })),
  };
}
