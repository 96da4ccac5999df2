/** Where the keyboard goes when a panel is brought to the front. */

const FIRST_CHOICE = '[data-keyboard], [role=grid][tabindex="0"], [role=grid] [tabindex="0"], .xterm-helper-textarea';

/** Into the list of the panel, where the arrow keys work; else to the panel as a whole, so that Tab goes on inside it. */
export function focusPanel(id: string): void {
  // The dock puts a panel into the page when it comes to the front.
  requestAnimationFrame(() => {
    const panel = document.querySelector<HTMLElement>(`[data-panel="${id}"]`);
    if (!panel || panel.contains(document.activeElement)) return;
    (panel.querySelector<HTMLElement>(FIRST_CHOICE) ?? panel).focus({ preventScroll: true });
  });
}
