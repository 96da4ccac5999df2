/** The pages of docs/labs, by the laboratory they belong to. */
const FILES: Record<string, string> = import.meta.glob('../../../docs/labs/*.md', {
  query: '?raw',
  import: 'default',
  eager: true,
});

export const labPage = (id: string): string => FILES[`../../../docs/labs/${id}.md`] ?? '';
