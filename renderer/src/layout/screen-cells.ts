/** Cells of the VGA text screen as runs of one colour, in the characters that a PC's ROM font shows (code page 437). */
import type { VgaSnapshot } from '@core/protocol/index.ts';

export interface ScreenRun {
  readonly column: number;
  readonly text: string;
  /** 0 … 15: foreground, low nibble of the attribute. */
  readonly ink: number;
  /** 0 … 7: background, bits 4–6. */
  readonly paper: number;
  /** Attribute bit 7: blinks in the adapter's usual mode. */
  readonly blinks: boolean;
  readonly isCursor: boolean;
}

/** Characters 0 – 31 and 127 – 255. */
const LOW = ' ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼';
const HIGH =
  '⌂ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';

export function screenCharacter(code: number): string {
  if (code < 32) return LOW[code];
  return code < 127 ? String.fromCharCode(code) : HIGH[code - 127];
}

export function screenRows({ columns, rows, cells, cursor }: VgaSnapshot): readonly (readonly ScreenRun[])[] {
  return Array.from({ length: rows }, (_, row) => {
    const runs: ScreenRun[] = [];
    let text = '';
    let from = 0;
    for (let column = 0; column <= columns; column += 1) {
      const cell = row * columns + column;
      const isEnd = column === columns;
      const isNew = isEnd || cell === cursor || cell - 1 === cursor || cells[2 * cell + 1] !== cells[2 * cell - 1];
      if (column > 0 && isNew) {
        const first = row * columns + from;
        const attribute = cells[2 * first + 1];
        runs.push({
          column: from,
          text,
          ink: attribute & 15,
          paper: (attribute >> 4) & 7,
          blinks: (attribute & 0x80) !== 0,
          isCursor: first === cursor,
        });
        text = '';
        from = column;
      }
      if (!isEnd) text += screenCharacter(cells[2 * cell]);
    }
    return runs;
  });
}

/** Below this nobody reads the screen; above it the letters are larger than the rest of the window. */
const READABLE_PX = 11;
const LARGEST_PX = 16;
/** A cell of the font beside its size: JetBrains Mono's letters are 0.6 wide, a line has 1.25. */
const CELL = { width: 0.6, height: 1.25 };

/**
 * Size of the letters for a screen in a box. What does not fit at a readable size is scrolled, unless the whole screen is wanted.
 */
export function screenFont(
  screen: { readonly columns: number; readonly rows: number } | undefined,
  box: { readonly width: number; readonly height: number },
  isWhole: boolean,
): number {
  if (screen === undefined || box.width <= 0) return READABLE_PX;
  const forWidth = box.width / (screen.columns * CELL.width);
  const forHeight = box.height / (screen.rows * CELL.height);
  if (isWhole) return Math.max(1, Math.min(LARGEST_PX, forWidth, forHeight));
  // Whole pixels: broken ones are laid out unevenly.
  return Math.min(LARGEST_PX, Math.max(READABLE_PX, Math.floor(forWidth)));
}
