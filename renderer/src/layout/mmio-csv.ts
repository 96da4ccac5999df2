/** MMIO faults as a table for other programs. */
import type { MmioFaultRecord } from '@core/protocol/index.ts';
import { formatHex } from '@core/format/address-text.ts';
import { csvText } from '@core/format/csv-text.ts';
import { claimOf } from './mmio-filter.ts';

const HEAD = [
  'seq',
  'insns',
  'vcpu',
  'rip',
  'gva',
  'gpa',
  'access',
  'size',
  'value',
  'outcome',
  'spte',
  'spte_generation',
  'kvm_generation',
  'claimed_by',
];

export const mmioCsv = (records: readonly MmioFaultRecord[]): string =>
  csvText(
    HEAD,
    records.map((record) => [
      record.seq,
      record.insns,
      record.vcpu,
      formatHex(record.rip),
      formatHex(record.gva),
      formatHex(record.gpa),
      record.access,
      record.size,
      formatHex(record.value),
      record.outcome,
      formatHex(record.spte),
      record.spteGen,
      record.kvmGen,
      claimOf(record),
    ]),
  );
