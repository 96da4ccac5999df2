/** The memslots, and the change that is being prepared for them. */
import type { MemslotReport, MemslotSnapshot, MemslotsSnapshot, RequestError } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { deletionOf, draftOfSlot, draftOver, parseDraft, regionOfSlot } from '../memory-map/region-draft.ts';
import type { RegionDraft } from '../memory-map/region-draft.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

/** What the engine says to a change: what it does, or why not. */
export type ChangeVerdict =
  | { readonly kind: 'report'; readonly report: MemslotReport }
  | { readonly kind: 'refusal'; readonly error: RequestError };

export const useMemslotsStore = defineStore('memslots', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const previews = latestRequest();
  const snapshot = shallowRef<MemslotsSnapshot>();
  const error = shallowRef<RequestError>();
  const draft = shallowRef<RegionDraft>();
  /** What would happen, and what has happened. */
  const preview = shallowRef<ChangeVerdict>();
  const applied = shallowRef<ChangeVerdict>();

  const parsed = computed(() => (draft.value ? parseDraft(draft.value) : undefined));
  const region = computed(() => (parsed.value?.kind === 'region' ? parsed.value.region : undefined));
  const mistakes = computed(() => (parsed.value?.kind === 'mistakes' ? parsed.value.mistakes : {}));
  const collidingSlot = computed(() => {
    const verdict = applied.value?.kind === 'refusal' ? applied.value : preview.value;
    return verdict?.kind === 'refusal' ? verdict.error.memslot?.collidingSlot : undefined;
  });

  async function refresh(): Promise<void> {
    const answer = await requests.run(() => desktop.call('memslots.read', {}));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok && machine.admit(answer.value.moment)) snapshot.value = answer.value;
  }

  async function refreshPreview(): Promise<void> {
    const wanted = region.value;
    if (wanted === undefined) {
      preview.value = undefined;
      return;
    }
    const answer = await previews.run(() => desktop.call('memslots.preview', { region: wanted }));
    if (answer === undefined) return;
    preview.value = answer.ok ? { kind: 'report', report: answer.value } : { kind: 'refusal', error: answer.error };
  }

  async function edit(next: RegionDraft | undefined): Promise<void> {
    draft.value = next;
    applied.value = undefined;
    await refreshPreview();
  }

  const editSlot = (slot: MemslotSnapshot): Promise<void> => edit(draftOfSlot(slot));
  const prepareDeletion = (slot: MemslotSnapshot): Promise<void> => edit(deletionOf(slot));
  async function createOver(gpa: bigint, size?: bigint): Promise<void> {
    if (snapshot.value === undefined) await refresh();
    if (snapshot.value) await edit(draftOver(snapshot.value, gpa, size));
  }

  async function apply(): Promise<boolean> {
    const wanted = region.value;
    if (wanted === undefined) return false;
    const answer = await desktop.call('memslots.set', { region: wanted });
    applied.value = answer.ok ? { kind: 'report', report: answer.value } : { kind: 'refusal', error: answer.error };
    await Promise.all([refresh(), refreshPreview()]);
    return answer.ok;
  }

  /** KVM knows no change of size: the slot is deleted and made anew, or as it was if it cannot be. */
  async function resize(): Promise<boolean> {
    const wanted = region.value;
    const old = snapshot.value?.slots.find(({ id }) => id === wanted?.slot);
    if (wanted === undefined || old === undefined) return false;
    const deletion = await desktop.call('memslots.set', { region: { ...wanted, memorySize: 0n } });
    if (!deletion.ok) {
      applied.value = { kind: 'refusal', error: deletion.error };
      return false;
    }
    if (await apply()) return true;
    await desktop.call('memslots.set', { region: regionOfSlot(old) });
    await Promise.all([refresh(), refreshPreview()]);
    return false;
  }

  return {
    snapshot,
    error,
    draft,
    preview,
    applied,
    region,
    mistakes,
    collidingSlot,
    refresh,
    refreshPreview,
    edit,
    editSlot,
    prepareDeletion,
    createOver,
    apply,
    resize,
  };
});
