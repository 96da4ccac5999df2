/** vga.read: the text screen as it stands in video memory. */
import { ok } from '../../base/result.ts';
import { VGA_COLUMNS, VGA_ROWS } from '../../devices/index.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine } from './present.ts';

export const vgaRequests: RequestFamily<'vga.read'> = {
  'vga.read': (session) => {
    const { vga } = presentMachine(session).machine.devices;
    return ok({
      moment: session.moment(),
      columns: VGA_COLUMNS,
      rows: VGA_ROWS,
      cells: vga.cells(),
      cursor: vga.cursor(),
    });
  },
};
