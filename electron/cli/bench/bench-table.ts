/** Measurements as a table for people. */
import { reachesTarget, type Figure, type Measurement } from './measurement.ts';

export function benchTable(measurements: readonly Measurement[]): string {
  const rows = measurements.flatMap(({ benchmark, figures, skipped }) =>
    skipped === undefined
      ? figures.map((figure) => [figure.name, shown(figure), targetText(figure), figure.how])
      : [[benchmark, 'skipped', '', skipped]],
  );
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map(([name, value, target, how]) =>
      `${name.padEnd(widths[0])}  ${value.padStart(widths[1])}  ${target.padEnd(widths[2])}  ${how}`.trimEnd(),
    )
    .join('\n');
}

const shown = ({ value, unit }: Figure): string => `${value >= 1000 ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;

function targetText(figure: Figure): string {
  const { target } = figure;
  if (target === undefined) return '';
  const wanted = 'atLeast' in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  return `${wanted} ${reachesTarget(figure) ? 'reached' : 'MISSED'}`;
}
