/** What the auditor found, for people and as JSON. */
import { AUDIT_RULES, type AuditEvent, type AuditReport, type AuditViolation } from '../base/audit-report.ts';
import { formatHex, formatU64 } from './address-text.ts';
import { roleText } from './role-text.ts';
import { fieldBits } from './spte-text.ts';
import { traceText } from './trace-text.ts';

/** `12 shadow pages, 34 leaves, 5 MMIO sptes` */
export const auditedText = ({ pages, leaves, mmioSptes }: Omit<AuditReport, 'violations' | 'omitted'>): string =>
  `${pages} shadow pages, ${leaves} leaves, ${mmioSptes} MMIO sptes`;

export function violationLines(insns: number, violation: AuditViolation): readonly string[] {
  const { rule, text, sptep, value, page, gfn, role, decoded, events, eraBug } = violation;
  const lines = [`audit: at ${insns}: ${rule}: ${text}`, `  rule: ${AUDIT_RULES[rule]}`];
  if (eraBug !== undefined) lines.push(`  a known bug of this era: ${eraBug.name}, mended by ${eraBug.fix}`);
  if (page !== undefined) {
    const where = gfn === undefined ? '' : `, gfn ${formatHex(gfn)}`;
    lines.push(`  page ${page}${where}${role === undefined ? '' : `, role ${roleText(role)}`}`);
  }
  if (sptep !== undefined)
    lines.push(`  sptep ${formatHex(sptep)}${value === undefined ? '' : ` holds ${formatU64(value)}`}`);
  for (const field of decoded?.fields ?? []) {
    if (field.value !== 0n)
      lines.push(`    ${fieldBits(field)} ${field.name} ${formatHex(field.value)} ${field.meaning}`);
  }
  if (events.length > 0) lines.push('  last events that touched it:');
  for (const event of events) lines.push(`    ${eventLine(event)}`);
  return lines;
}

/** A tracepoint in ftrace's words, so that it can be looked for in a trace. */
function eventLine({ insns, vcpu, name, event, args, fields }: AuditEvent): string {
  const plain = fields.map(([field, value]) => `${field} ${typeof value === 'string' ? value : formatHex(value)}`);
  const text = event === 0 ? plain.join(', ') : traceText(event, args, '3.11', vcpu);
  return `${insns} vcpu ${vcpu} ${name}: ${text}`;
}

/** For programs: 64-bit values as hex strings, what does not apply as null. */
export function violationJson(insns: number, violation: AuditViolation): Readonly<Record<string, unknown>> {
  const { rule, text, sptep, value, page, level, role, gfn, decoded, events, eraBug } = violation;
  return {
    insns,
    rule,
    statement: AUDIT_RULES[rule],
    text,
    eraBug: eraBug ?? null,
    sptep: sptep === undefined ? null : formatHex(sptep),
    value: value === undefined ? null : formatU64(value),
    kind: decoded?.kind ?? null,
    page: page ?? null,
    level: level ?? null,
    role: role === undefined ? null : roleText(role),
    gfn: gfn === undefined ? null : formatHex(gfn),
    events: events.map(({ insns: at, vcpu, name, fields }) => ({
      insns: at,
      vcpu,
      name,
      fields: Object.fromEntries(fields.map(([field, it]) => [field, typeof it === 'string' ? it : formatHex(it)])),
    })),
  };
}
