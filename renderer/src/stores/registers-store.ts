/** The registers of the selected vCPU, and what has changed in them since the last stop. */
import type { HiddenSegment, RegisterValue, RegistersSnapshot, RequestError } from '@core/protocol/index.ts';
import { formatHex } from '@core/format/address-text.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { isLeft } from '../api/stop-change.ts';
import { keepUnchanged } from '../api/unchanged.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useEditHistoryStore } from './edit-history-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTurnsStore } from './turns-store.ts';

export const REGISTER_GROUPS = ['general', 'segment', 'control', 'msr', 'debug'] as const;
export type RegisterGroup = (typeof REGISTER_GROUPS)[number];

/** CS or SS, with what it had beside its selector where that is not what its descriptor says by now. */
export interface CodeOrStack {
  readonly name: 'cs' | 'ss';
  readonly value: bigint;
  readonly hidden?: HiddenSegment;
}

interface RegisterEdit {
  readonly name: string;
  readonly value: bigint;
  readonly hidden?: HiddenSegment;
  readonly pair?: CodeOrStack;
}

/** What takes an edit back; undefined where it changes nothing. */
function editBack(registers: readonly RegisterValue[], { name, value, pair }: RegisterEdit): RegisterEdit | undefined {
  const find = (wanted: string) => registers.find((register) => register.name === wanted);
  const old = find(name);
  const oldPair = pair && find(pair.name);
  if (old === undefined || (old.value === value && oldPair?.value === pair?.value)) return undefined;
  return {
    name,
    value: old.value,
    ...(old.hidden && { hidden: old.hidden }),
    ...(pair &&
      oldPair && { pair: { ...pair, value: oldPair.value, ...(oldPair.hidden && { hidden: oldPair.hidden }) } }),
  };
}

export const useRegistersStore = defineStore('registers', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const edits = useEditHistoryStore();
  const notices = useNoticesStore();
  const turns = useTurnsStore();
  const requests = latestRequest();
  const snapshot = shallowRef<RegistersSnapshot>();
  /** The registers of the stop before. */
  const baseline = shallowRef<RegistersSnapshot>();
  const error = shallowRef<RequestError>();

  const groups = computed(() =>
    REGISTER_GROUPS.map((group) => ({
      group,
      registers: snapshot.value?.registers.filter((register) => register.group === group) ?? [],
    })).filter(({ registers }) => registers.length > 0),
  );

  const changed = computed<ReadonlySet<string>>(() => {
    const before = new Map(baseline.value?.registers.map(({ name, value }) => [name, value]));
    const differs = ({ name, value }: RegisterValue): boolean => before.has(name) && before.get(name) !== value;
    return new Set(snapshot.value?.registers.filter(differs).map(({ name }) => name));
  });

  /** What the register held at the stop before; undefined when there was none. */
  const valueBefore = (name: string): bigint | undefined =>
    baseline.value?.registers.find((register) => register.name === name)?.value;

  function apply(next: RegistersSnapshot): void {
    if (!machine.admit(next.moment)) return;
    const last = snapshot.value;
    if (last?.vcpu !== next.vcpu) baseline.value = undefined;
    else if (isLeft(last.moment, next.moment)) baseline.value = last;
    snapshot.value = keepUnchanged(last, next);
  }

  async function refresh(): Promise<void> {
    const answer = await requests.run(() => desktop.call('registers.read', { vcpu: machine.selectedVcpu }));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok) apply(answer.value);
  }

  /** @returns why not, undefined when it is done */
  async function put(vcpu: number, edit: RegisterEdit): Promise<RequestError | undefined> {
    const answer = await desktop.call('registers.write', { vcpu, ...edit });
    if (!answer.ok) return answer.error;
    if (vcpu === machine.selectedVcpu) apply(answer.value);
    return undefined;
  }

  /**
   * The edit can be taken back.
   * @param pair of cs or ss, the other one, which is written with it
   * @returns why not, undefined when it is done
   */
  function write(name: string, value: bigint, pair?: CodeOrStack): Promise<RequestError | undefined> {
    const vcpu = machine.selectedVcpu;
    return turns.take(() => change(vcpu, () => ({ name, value, ...(pair && { pair }) })));
  }

  /** Switches one bit of what the register holds by then: a bit that was switched just before stays as it is. */
  function flip(name: string, bit: number): Promise<RequestError | undefined> {
    const vcpu = machine.selectedVcpu;
    const flipped = ({ registers }: RegistersSnapshot): RegisterEdit => {
      const old = registers.find((register) => register.name === name)?.value ?? 0n;
      return { name, value: old ^ (1n << BigInt(bit)) };
    };
    return turns.take(() => change(vcpu, flipped));
  }

  async function change(
    vcpu: number,
    wish: (before: RegistersSnapshot) => RegisterEdit,
  ): Promise<RequestError | undefined> {
    const before = await desktop.call('registers.read', { vcpu });
    if (!before.ok) return before.error;
    const wanted = wish(before.value);
    const { name, value, pair } = wanted;
    const refusal = await put(vcpu, wanted);
    const old = editBack(before.value.registers, wanted);
    if (refusal || old === undefined) return refusal;
    const again = async (edit: RegisterEdit): Promise<boolean> => {
      const reason = await put(vcpu, edit);
      if (reason) notices.addError(reason);
      return reason === undefined;
    };
    const of = (machine.status?.vcpus.length ?? 1) > 1 ? `vCPU ${vcpu}: ` : '';
    const and = pair === undefined ? '' : `, ${pair.name} = ${formatHex(pair.value)}`;
    edits.record({
      title: `${of}${name} = ${formatHex(value)}${and}`,
      undo: () => again(old),
      redo: () => again(wanted),
    });
    return undefined;
  }

  /** Where the vCPU goes on; `address` is linear, as the listing has it. */
  async function setRip(address: bigint): Promise<void> {
    const vcpu = machine.selectedVcpu;
    const there = ({ registers }: RegistersSnapshot): RegisterEdit => {
      const rip = registers.find(({ name }) => name === 'rip')?.value;
      // The base of the code segment lies between the two.
      const base = rip === undefined || machine.rip === undefined ? 0n : machine.rip - rip;
      return { name: 'rip', value: address - base };
    };
    const refusal = await turns.take(() => change(vcpu, there));
    if (refusal) notices.addError(refusal);
  }

  return { snapshot, baseline, error, groups, changed, valueBefore, refresh, write, flip, setRip };
});
