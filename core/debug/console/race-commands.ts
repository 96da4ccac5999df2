/** Races between vCPUs and a memslot update, as `umbra race` plays them: on a small machine of their own (docs/race-lab.md). */
import { ERAS, MMU_MODES } from '../../base/machine-modes.ts';
import {
  answered,
  misused,
  said,
  type ConsoleArguments,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
} from './console-command.ts';

function race({ ask }: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome {
  return answered(ask('race.labs', {}), (labs) => {
    const [name, ...options] = words;
    const titleOf = (script: string): string => /^title (.*)$/m.exec(script)?.[1] ?? '';
    if (name === undefined)
      return said(...labs.map((lab) => `${lab.name.padEnd(22)} ${titleOf(lab.script)}`), 'race NAME plays one.');
    const lab = labs.find((each) => each.name === name.text);
    if (lab === undefined)
      return misused(`there is no laboratory called ${name.text}; race lists them.`, {
        at: name.at,
        length: name.text.length,
      });
    let eras: readonly (typeof ERAS)[number][] = ERAS;
    let mmu: (typeof MMU_MODES)[number] = 'ept';
    for (const { text, at } of options) {
      const [option, value] = text.split('=', 2);
      const era = option === 'era' ? ERAS.find((each) => each === value) : undefined;
      const mode = option === 'mmu' ? MMU_MODES.find((each) => each === value) : undefined;
      if (era !== undefined) eras = [era];
      else if (mode !== undefined) mmu = mode;
      else
        return misused(`${text} is neither era=${ERAS.join('|')} nor mmu=${MMU_MODES.join('|')}.`, {
          at,
          length: text.length,
        });
    }
    const lines: string[] = [titleOf(lab.script)];
    for (const era of eras) {
      const run = ask('race.run', { script: lab.script, era, mmu });
      if (!run.ok) return answered(run, () => said());
      const { events, bugs, failures } = run.value;
      if (eras.length === 1)
        lines.push(
          ...events.flatMap(({ line, command, what, log }) => [
            `${line}: ${command}`,
            `    ${what}`,
            ...log.flatMap((entry) => entry.split('\n').map((part) => `    | ${part}`)),
          ]),
        );
      const struck = bugs.map(({ name: bug, commit, strikes }) => `${bug} (${commit}) strikes ${strikes} times`);
      lines.push(`${era.padEnd(6)} ${struck.join(', ') || 'no bug strikes'}`);
      lines.push(...failures.map((failure) => `       FAILED: ${failure}`));
    }
    return said(...lines);
  });
}

export const RACE_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['race'],
    usage: '[LABORATORY] [era=E] [mmu=M]',
    summary: 'plays a race laboratory on a machine of its own, in one kernel line by line or in all of them',
    run: race,
    complete({ ask }, words) {
      const labs = ask('race.labs', {});
      if (words.length <= 1) return labs.ok ? labs.value.map(({ name }) => name) : [];
      return [...ERAS.map((era) => `era=${era}`), ...MMU_MODES.map((mmu) => `mmu=${mmu}`)];
    },
  },
];
