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
