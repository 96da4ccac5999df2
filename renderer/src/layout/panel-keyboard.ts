/** Where the keyboard goes when a panel is brought to the front. */

const FIRST_CHOICE = '[data-keyboard], [role=grid][tabindex="0"], [role=grid] [tabindex="0"], .xterm-helper-textarea';

/** A panel that is opened for the first time may be read from the disk first. */
const FRAMES = 20;

/** Into the list of the panel, where the arrow keys work; else to the panel as a whole, so that Tab goes on inside it. */
export function focusPanel(id: string, frames = FRAMES): void {
  // The dock puts a panel into the page when it comes to the front.
  requestAnimationFrame(() => {
    const panel = document.querySelector<HTMLElement>(`[data-panel="${id}"]`);
    const { activeElement } = document;
    if (!panel || (panel !== activeElement && panel.contains(activeElement))) return;
    const list = panel.querySelector<HTMLElement>(FIRST_CHOICE);
    // Somebody has gone elsewhere in the meantime.
    if (frames < FRAMES && panel !== activeElement) return;
    (list ?? panel).focus({ preventScroll: true });
    if (list === null && frames > 0) focusPanel(id, frames - 1);
  });
}

/** A field of a panel that is being opened: the keyboard goes there when it is in the page. */
export function focusWhenThere(selector: string, frames = FRAMES): void {
  requestAnimationFrame(() => {
    const field = document.querySelector<HTMLElement>(selector);
    if (field?.checkVisibility() === true) field.focus();
    if (document.activeElement !== field && frames > 0) focusWhenThere(selector, frames - 1);
  });
}

/** A new tab comes into the page, and the dock makes room for its list of hidden ones: each shifts the others. */
const LAID_OUT_MS = 600;
const LOOK_MS = 50;

/** Where there are more tabs than there is room, the one in front is among those that are seen. */
export function showTab(id: string, patience = LAID_OUT_MS): void {
  const tab = document.querySelector(`[data-tab="${id}"]`)?.closest('.dv-tab');
  tab?.scrollIntoView({ inline: 'nearest', block: 'nearest' });
  if (patience > 0 && (tab === undefined || tab?.matches('.dv-active-tab') === true))
    setTimeout(() => showTab(id, patience - LOOK_MS), LOOK_MS);
}
