/** The memslots, and the changes that are being prepared for them: a list that is staged, and one more that is being edited. */
import type { MemslotSnapshot, MemslotsSnapshot, RequestError, UserMemoryRegion } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { deletionOf, draftOfRegion, draftOver, parseDraft, regionOfSlot } from '../memory-map/region-draft.ts';
import type { RegionDraft } from '../memory-map/region-draft.ts';
import {
  callsOf,
  changeText,
  isKept,
  isSameList,
  reorder,
  shapeOf,
  stage,
  sumOfVerdicts,
  verdictsOf,
} from '../memory-map/staged-changes.ts';
import type { ChangeVerdict, StagedChange } from '../memory-map/staged-changes.ts';
import { keepUnchanged } from '../api/unchanged.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useEditHistoryStore } from './edit-history-store.ts';
import type { Edit } from './edit-history-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useTurnsStore } from './turns-store.ts';

export type { ChangeVerdict } from '../memory-map/staged-changes.ts';

/** One change that was applied, beside what the preview had promised of it. */
export interface AppliedChange {
  readonly text: string;
  readonly promised: ChangeVerdict | undefined;
  readonly done: ChangeVerdict;
  readonly isKept: boolean;
}

export interface AppliedList {
  /** False: it was refused, and nothing was changed. */
  readonly isApplied: boolean;
  readonly changes: readonly AppliedChange[];
}

/** What is prepared, at one time. */
interface Preparation {
  readonly staged: readonly StagedChange[];
  readonly draft: RegionDraft | undefined;
}

/** A slot that is moved key by key: one edit, as long as no other comes between. */
interface NudgeRun {
  readonly slot: number;
  readonly edit: Edit;
  after: Preparation;
}

export const useMemslotsStore = defineStore('memslots', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const edits = useEditHistoryStore();
  const turns = useTurnsStore();
  const requests = latestRequest();
  const previews = latestRequest();
  const snapshot = shallowRef<MemslotsSnapshot>();
  const error = shallowRef<RequestError>();
  const staged = shallowRef<readonly StagedChange[]>([]);
  const draft = shallowRef<RegionDraft>();
  /** What would happen, change by change of the plan. */
  const verdicts = shallowRef<readonly ChangeVerdict[]>([]);
  const applied = shallowRef<AppliedList>();
  const isApplying = ref(false);
  /** Somebody has opened the editor and has not been taken there yet. What an undo brings back takes no keyboard. */
  const wantsKeyboard = ref(false);
  /** For who hears instead of sees. */
  const announcement = ref('');

  const slots = computed(() => snapshot.value?.slots ?? []);
  const parsed = computed(() => (draft.value ? parseDraft(draft.value) : undefined));
  const region = computed(() => (parsed.value?.kind === 'region' ? parsed.value.region : undefined));
  const mistakes = computed(() => (parsed.value?.kind === 'mistakes' ? parsed.value.mistakes : {}));
  /** Everything that Apply would do: what is staged, and what is being edited at its place. */
  const plan = computed(() => (region.value ? stage(staged.value, region.value) : staged.value));
  const calls = computed(() => plan.value.map((change) => callsOf(change, slots.value)));
  const isPreviewed = computed(() => plan.value.length > 0 && verdicts.value.length === plan.value.length);
  const planTitle = computed(() =>
    plan.value.length === 1 ? changeText(plan.value[0], slots.value) : `${plan.value.length} memslot changes`,
  );
  const isRefused = computed(() => isPreviewed.value && verdicts.value.some(({ kind }) => kind !== 'report'));
  const total = computed(() => (isPreviewed.value ? sumOfVerdicts(verdicts.value) : undefined));
  const canApply = computed(
    () =>
      calls.value.length > 0 &&
      !isApplying.value &&
      !(draft.value && !region.value) &&
      machine.heldUpdate === undefined,
  );
  /** What is said of the change that is being edited. */
  const preview = computed(() => verdicts.value.at(plan.value.findIndex(({ slot }) => slot === region.value?.slot)));
  const collidingSlot = computed(() => {
    const refusal = verdicts.value.find((verdict) => verdict.kind === 'refusal');
    return refusal?.kind === 'refusal' ? refusal.refusal.collidingSlot : undefined;
  });

  async function refresh(): Promise<void> {
    const answer = await requests.run(() => desktop.call('memslots.read', {}));
    if (answer === undefined) return;
    if (!answer.ok) error.value = answer.error;
    else if (machine.admit(answer.value.moment)) snapshot.value = keepUnchanged(snapshot.value, answer.value);
  }

  /** The machine moves on while somebody thinks: what is promised is asked for again and again. */
  async function refreshPreview(): Promise<void> {
    const counts = calls.value.map(({ length }) => length);
    const regions = calls.value.flat();
    // Between the steps of an update nothing can be tried out.
    if (regions.length === 0 || (draft.value && !region.value) || machine.heldUpdate !== undefined) {
      verdicts.value = [];
      return;
    }
    const answer = await previews.run(() => desktop.call('memslots.previewAll', { regions }));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    verdicts.value = answer.ok ? verdictsOf(counts, answer.value.outcomes) : [];
  }

  /** The plan has another shape: what was said of the last one is void. */
  async function replan(): Promise<void> {
    verdicts.value = [];
    applied.value = undefined;
    error.value = undefined;
    await refreshPreview();
  }

  async function edit(next: RegionDraft | undefined): Promise<void> {
    draft.value = next;
    await replan();
  }

  const prepared = (): Preparation => ({ staged: staged.value, draft: draft.value });

  async function prepare(next: Preparation): Promise<boolean> {
    ({ staged: staged.value, draft: draft.value } = next);
    await replan();
    return true;
  }

  /** A change of the plan is an edit like one of the machine, and has its place in one order with those. */
  function recordPlan(title: string, before: Preparation): void {
    const after = prepared();
    if (isSameList(before.staged, after.staged)) return;
    edits.record({ title, isPlan: true, undo: () => prepare(before), redo: () => prepare(after) });
  }

  let nudges: NudgeRun | undefined;
  /** Puts a slot that is moved or resized by key into the editor. */
  async function nudge(target: UserMemoryRegion): Promise<void> {
    const before = prepared();
    draft.value = draftOfRegion(target);
    const after = prepared();
    const isGoingOn = nudges?.slot === target.slot && edits.isLast(nudges.edit) && nudges.after.draft === before.draft;
    if (nudges && isGoingOn) nudges.after = after;
    else nudges = beginNudges(target, before, after);
    await replan();
  }

  function beginNudges(target: UserMemoryRegion, before: Preparation, after: Preparation): NudgeRun {
    const title = `${changeText({ slot: target.slot, target }, slots.value)} (in the editor)`;
    const run: NudgeRun = {
      slot: target.slot,
      edit: { title, isPlan: true, undo: () => prepare(before), redo: () => prepare(run.after) },
      after,
    };
    edits.record(run.edit);
    return run;
  }

  /** What stands for a slot now: the draft, what is staged for it, else the slot. */
  function targetOf(slot: number): UserMemoryRegion | undefined {
    if (region.value?.slot === slot) return region.value;
    const change = staged.value.find((one) => one.slot === slot);
    const present = slots.value.find(({ id }) => id === slot);
    return change?.target ?? (present && regionOfSlot(present));
  }

  const editSlot = (slot: MemslotSnapshot): Promise<void> => editTarget(targetOf(slot.id) ?? regionOfSlot(slot));
  const editTarget = (target: UserMemoryRegion): Promise<void> => openEditor(draftOfRegion(target));
  const prepareDeletion = (slot: MemslotSnapshot): Promise<void> => openEditor(deletionOf(slot));
  function openEditor(next: RegionDraft): Promise<void> {
    wantsKeyboard.value = true;
    return edit(next);
  }

  async function createOver(gpa: bigint, size?: bigint): Promise<void> {
    if (snapshot.value === undefined) await refresh();
    if (!snapshot.value) return;
    const taken = staged.value.map(({ slot }) => slot);
    await openEditor(draftOver(snapshot.value, gpa, size, taken));
  }

  async function stageTarget(target: UserMemoryRegion): Promise<void> {
    const before = prepared();
    const change = { slot: target.slot, target };
    const isNothing = shapeOf(change, slots.value) === 'nothing';
    staged.value = isNothing ? staged.value.filter((one) => one.slot !== target.slot) : stage(staged.value, target);
    if (region.value?.slot === target.slot) draft.value = undefined;
    const text = changeText(change, slots.value);
    announcement.value = isNothing ? `Slot ${target.slot} stays as it is: nothing is staged for it` : `Staged: ${text}`;
    recordPlan(isNothing ? `leave slot ${target.slot} as it is` : `${text} (staged)`, before);
    await replan();
  }

  /** Puts what is being edited on the list. */
  async function stageDraft(): Promise<boolean> {
    if (region.value === undefined) return false;
    await stageTarget(region.value);
    return true;
  }

  /** A slot that is only staged goes from the list; one that exists is staged to go. */
  async function stageDeletion(slot: number): Promise<void> {
    const present = slots.value.find(({ id }) => id === slot);
    if (present) await stageTarget({ ...regionOfSlot(present), memorySize: 0n });
    else await unstage(slot);
  }

  async function unstage(slot: number): Promise<void> {
    const before = prepared();
    staged.value = staged.value.filter((one) => one.slot !== slot);
    announcement.value = `Taken from the list: the change of slot ${slot}`;
    recordPlan(`drop the change of slot ${slot}`, before);
    await replan();
  }

  async function move(index: number, distance: number): Promise<void> {
    const before = prepared();
    staged.value = reorder(staged.value, index, distance);
    recordPlan('order of the staged changes', before);
    await replan();
  }

  async function dropAll(): Promise<void> {
    const before = prepared();
    staged.value = [];
    draft.value = undefined;
    announcement.value = 'All staged changes are dropped';
    recordPlan('drop all staged changes', before);
    await replan();
  }

  /** @returns whether the list went through */
  async function send(
    changes: readonly StagedChange[],
    regions: readonly (readonly UserMemoryRegion[])[],
    promised: readonly ChangeVerdict[],
  ): Promise<readonly UserMemoryRegion[] | undefined> {
    const texts = changes.map((change) => changeText(change, slots.value));
    const answer = await desktop.call('memslots.apply', { regions: regions.flat() });
    if (!answer.ok) {
      error.value = answer.error;
      return undefined;
    }
    const counts = regions.map(({ length }) => length);
    applied.value = {
      isApplied: answer.value.applied,
      changes: verdictsOf(counts, answer.value.outcomes).map((done, i) => ({
        text: texts[i],
        promised: promised.at(i),
        done,
        isKept: isKept(promised.at(i), done),
      })),
    };
    return answer.value.applied ? answer.value.inverse : undefined;
  }

  /** What stands in the plan now: it is not applied twice, and nothing that is planned later goes with it. */
  async function apply(): Promise<boolean> {
    if (!canApply.value) return false;
    isApplying.value = true;
    const [changes, regions, promised] = [plan.value, calls.value, isPreviewed.value ? verdicts.value : []];
    const title = planTitle.value;
    const before = prepared();
    const sent = turns.take(() => put(title, changes, regions, promised, before));
    return sent.finally(() => {
      isApplying.value = false;
    });
  }

  async function put(
    title: string,
    changes: readonly StagedChange[],
    regions: readonly (readonly UserMemoryRegion[])[],
    promised: readonly ChangeVerdict[],
    before: Preparation,
  ): Promise<boolean> {
    const inverse = await send(changes, regions, promised);
    if (inverse === undefined) {
      announcement.value = 'Refused: nothing was changed';
      await refresh();
      return false;
    }
    leavePlan();
    announcement.value = `Applied: ${title}`;
    recordApplied(title, regions.flat(), inverse, before);
    await refresh();
    return true;
  }

  /** What was on the list is on it again when its application is taken back: it can be changed, or taken back itself. */
  function recordApplied(
    title: string,
    regions: readonly UserMemoryRegion[],
    inverse: readonly UserMemoryRegion[],
    before: Preparation,
  ): void {
    if (inverse.length === 0) return;
    edits.record({ title, undo: () => replay(inverse, before.staged), redo: () => replay(regions, []) });
  }

  /** It is done, or is being done by somebody else. */
  function leavePlan(): void {
    staged.value = [];
    draft.value = undefined;
    verdicts.value = [];
  }

  /** Of an edit that is taken back, or made again. A refusal is shown where every refusal of a change is. */
  async function replay(regions: readonly UserMemoryRegion[], next: readonly StagedChange[]): Promise<boolean> {
    const changes = regions.map((target) => ({ slot: target.slot, target }));
    const calls = regions.map((one) => [one]);
    const isDone = (await send(changes, calls, [])) !== undefined;
    if (isDone) {
      leavePlan();
      staged.value = next;
    }
    await Promise.all([refresh(), refreshPreview()]);
    return isDone;
  }

  function dismissApplied(): void {
    applied.value = undefined;
  }

  // A machine made anew has other slots.
  watch(
    () => machine.loads,
    () => {
      leavePlan();
      applied.value = undefined;
    },
  );

  return {
    snapshot,
    error,
    slots,
    staged,
    draft,
    plan,
    planTitle,
    calls,
    verdicts,
    canApply,
    isRefused,
    total,
    preview,
    applied,
    isApplying,
    wantsKeyboard,
    announcement,
    region,
    mistakes,
    collidingSlot,
    refresh,
    refreshPreview,
    edit,
    editSlot,
    editTarget,
    prepareDeletion,
    createOver,
    targetOf,
    stageTarget,
    stageDraft,
    stageDeletion,
    unstage,
    move,
    dropAll,
    apply,
    nudge,
    prepared,
    recordApplied,
    leavePlan,
    dismissApplied,
  };
});
