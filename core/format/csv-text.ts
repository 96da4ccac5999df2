/** Comma-separated values (RFC 4180). */

export type CsvCell = string | number | bigint;

/** A cell that a spreadsheet would take for a formula is kept one of text. */
function cellText(cell: CsvCell): string {
  if (typeof cell !== 'string') return cell.toString();
  const plain = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

export const csvText = (head: readonly string[], rows: Iterable<readonly CsvCell[]>): string =>
  [head, ...rows].map((row) => row.map(cellText).join(',')).join('\r\n') + '\r\n';
