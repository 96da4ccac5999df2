/** The chart as a file that says all by itself: always dark on white, for it is pasted into reports. */
import type { CostPoint, CostSetting } from '@core/protocol/index.ts';
import { type ChartLook, drawCostChart } from './cost-drawing.ts';
import { COST_TITLE, settingLines } from './cost-words.ts';

const WIDTH = 960;
const HEIGHT = 560;
/** Pixels of the file for each of the drawing. */
const DENSITY = 2;
const MARGIN = 28;
const PAPER = '#ffffff';
const LOOK: ChartLook = {
  text: '#171b22',
  muted: '#495364',
  grid: '#dce1e8',
  lines: { patch: '#08705f', 'v3.10': '#8f5300' },
  fontSize: 13,
};

export async function costPicture(setting: CostSetting, points: readonly CostPoint[]): Promise<Uint8Array | undefined> {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH * DENSITY;
  canvas.height = HEIGHT * DENSITY;
  const context = canvas.getContext('2d');
  if (context === null) return undefined;
  context.scale(DENSITY, DENSITY);
  context.fillStyle = PAPER;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  const width = WIDTH - 2 * MARGIN;
  const [what, where] = settingLines(setting, points);
  write(context, COST_TITLE, 40, '600 18px Inter, sans-serif', LOOK.text);
  write(context, what, 63, '13px Inter, sans-serif', LOOK.muted);
  drawCostChart(context, { left: MARGIN, top: 84, width, height: HEIGHT - 84 - 52 }, points, LOOK);
  write(context, where, HEIGHT - 20, '11px Inter, sans-serif', LOOK.muted);
  const blob = await new Promise<Blob | null>((resolve) => {
    canvas.toBlob(resolve, 'image/png');
  });
  return blob === null ? undefined : new Uint8Array(await blob.arrayBuffer());
}

/** What is too long is set narrower, never cut. */
function write(context: CanvasRenderingContext2D, text: string, baseline: number, font: string, color: string): void {
  context.font = font;
  context.fillStyle = color;
  context.textAlign = 'left';
  context.textBaseline = 'alphabetic';
  context.fillText(text, MARGIN, baseline, WIDTH - 2 * MARGIN);
}
