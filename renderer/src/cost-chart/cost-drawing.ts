/** The cost chart on a canvas: axes with their units, a bar from the fastest to the slowest call, a line through the medians. */
import type { CostPoint } from '@core/protocol/index.ts';
import { type LogScale, decadesAround, formatDuration, formatSptes, placeOn, ticksOf } from './cost-scale.ts';
import { COST_LINES, type CostEra, SPTES_AXIS, TIME_AXIS } from './cost-words.ts';

export interface ChartLook {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly lines: Readonly<Record<CostEra, string>>;
  /** In CSS pixels. */
  readonly fontSize: number;
}

export interface ChartBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const FAMILY = 'Inter, sans-serif';
const DASH = [6, 4];
const WHISKER = 3;
const DOT = 3;

/** Draws into `box`: labels, legend and titles of the axes are inside it. */
export function drawCostChart(
  context: CanvasRenderingContext2D,
  box: ChartBox,
  points: readonly CostPoint[],
  look: ChartLook,
): void {
  const em = look.fontSize;
  context.save();
  context.font = `${em}px ${FAMILY}`;
  context.lineJoin = 'round';
  const plot = {
    left: box.left + em * 5.6,
    top: box.top + em * 2.2,
    width: box.width - em * 8.2,
    height: box.height - em * 6,
  };
  const xs = decadesAround(points.map(({ sptes }) => sptes));
  const ys = decadesAround(points.flatMap(({ fastest, slowest }) => [fastest, slowest]));
  const xOf = (sptes: number): number => plot.left + placeOn(xs, sptes) * plot.width;
  const yOf = (microseconds: number): number => plot.top + (1 - placeOn(ys, microseconds)) * plot.height;
  drawLegend(context, box, look);
  drawAxes(context, box, plot, { xs, ys, xOf, yOf }, look);
  for (const { era, isDashed } of COST_LINES) {
    const own = points.filter((point) => point.era === era).toSorted((a, b) => a.sptes - b.sptes);
    context.strokeStyle = look.lines[era];
    context.fillStyle = look.lines[era];
    drawWhiskers(context, own, xOf, yOf);
    context.lineWidth = 1.75;
    context.setLineDash(isDashed ? DASH : []);
    context.beginPath();
    for (const { sptes, microseconds } of own) context.lineTo(xOf(sptes), yOf(microseconds));
    context.stroke();
    context.setLineDash([]);
    for (const { sptes, microseconds } of own) drawDot(context, xOf(sptes), yOf(microseconds), isDashed);
    drawLastValue(context, own.at(-1), plot, xOf, yOf, em);
  }
  context.restore();
}

function drawLegend(context: CanvasRenderingContext2D, box: ChartBox, look: ChartLook): void {
  const em = look.fontSize;
  const y = box.top + em * 0.7;
  let x = box.left + em;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  for (const { era, title, isDashed } of COST_LINES) {
    context.strokeStyle = look.lines[era];
    context.fillStyle = look.lines[era];
    context.lineWidth = 1.75;
    context.setLineDash(isDashed ? DASH : []);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + em * 2, y);
    context.stroke();
    context.setLineDash([]);
    drawDot(context, x + em, y, isDashed);
    // In a narrow panel the word before the colon is enough: the table below says the rest.
    const isNarrow = box.width < em * 50;
    const text = isNarrow ? `${title.slice(0, title.indexOf(':'))} (${era})` : title;
    context.fillStyle = look.text;
    context.fillText(text, x + em * 2.5, y);
    x += em * 4.5 + context.measureText(text).width;
  }
}

interface Axes {
  readonly xs: LogScale;
  readonly ys: LogScale;
  xOf(sptes: number): number;
  yOf(microseconds: number): number;
}

function drawAxes(
  context: CanvasRenderingContext2D,
  box: ChartBox,
  plot: ChartBox,
  { xs, ys, xOf, yOf }: Axes,
  look: ChartLook,
): void {
  const em = look.fontSize;
  const bottom = plot.top + plot.height;
  context.strokeStyle = look.grid;
  context.lineWidth = 1;
  context.fillStyle = look.muted;
  context.textBaseline = 'top';
  context.textAlign = 'center';
  for (const tick of ticksOf(xs)) {
    const x = Math.round(xOf(tick)) + 0.5;
    line(context, x, plot.top, x, bottom);
    context.fillText(formatSptes(tick), x, bottom + em * 0.5);
  }
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const tick of ticksOf(ys)) {
    const y = Math.round(yOf(tick)) + 0.5;
    line(context, plot.left, y, plot.left + plot.width, y);
    context.fillText(formatDuration(tick), plot.left - em * 0.6, y);
  }
  context.fillStyle = look.text;
  context.textAlign = 'center';
  context.textBaseline = 'bottom';
  context.fillText(SPTES_AXIS, plot.left + plot.width / 2, box.top + box.height);
  context.save();
  context.translate(box.left + em * 0.2, plot.top + plot.height / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = 'top';
  context.fillText(TIME_AXIS, 0, 0, plot.height + em * 4);
  context.restore();
}

function line(context: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function drawWhiskers(
  context: CanvasRenderingContext2D,
  points: readonly CostPoint[],
  xOf: (sptes: number) => number,
  yOf: (microseconds: number) => number,
): void {
  context.lineWidth = 1;
  for (const { sptes, fastest, slowest } of points) {
    const x = xOf(sptes);
    line(context, x, yOf(fastest), x, yOf(slowest));
    for (const end of [fastest, slowest]) line(context, x - WHISKER, yOf(end), x + WHISKER, yOf(end));
  }
}

/** The eras differ in the shape of their dots as well as in colour and dash. */
function drawDot(context: CanvasRenderingContext2D, x: number, y: number, isSquare: boolean): void {
  context.beginPath();
  if (isSquare) context.rect(x - DOT, y - DOT, 2 * DOT, 2 * DOT);
  else context.arc(x, y, DOT, 0, 2 * Math.PI);
  context.fill();
}

function drawLastValue(
  context: CanvasRenderingContext2D,
  last: CostPoint | undefined,
  plot: ChartBox,
  xOf: (sptes: number) => number,
  yOf: (microseconds: number) => number,
  em: number,
): void {
  if (last === undefined) return;
  const x = xOf(last.sptes);
  const isAtEdge = x > plot.left + plot.width - em * 4;
  context.textAlign = isAtEdge ? 'right' : 'left';
  context.textBaseline = 'bottom';
  context.fillText(
    formatDuration(last.microseconds),
    isAtEdge ? x - em * 0.7 : x + em * 0.7,
    yOf(last.microseconds) - em * 0.4,
  );
}
