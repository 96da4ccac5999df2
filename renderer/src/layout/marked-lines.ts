/** A listing with other marks: a line that has the same ones stays the same object, and is not drawn again. */
import type { DisassembledInsn, DisassemblyMarks } from '@core/protocol/index.ts';

export function markedLines(
  lines: readonly DisassembledInsn[],
  { current, breakpoints }: Pick<DisassemblyMarks, 'current' | 'breakpoints'>,
): readonly DisassembledInsn[] {
  const idAt = new Map(breakpoints.map(({ address, id }) => [address, id]));
  const marked = lines.map((line) => {
    const isCurrent = line.address === current?.address;
    const touches = isCurrent ? current.touches : undefined;
    const breakpoint = idAt.get(line.address);
    return line.current === isCurrent && line.touches === touches && line.breakpoint === breakpoint
      ? line
      : { ...line, current: isCurrent, touches, breakpoint };
  });
  return marked.every((line, i) => line === lines[i]) ? lines : marked;
}
