/** Whether a property or extra spec is a no, in any of the words that Nova takes for one. */
export const isNo = (value: string | undefined): boolean =>
  ['0', 'f', 'false', 'off', 'n', 'no'].includes(value?.trim().toLowerCase() ?? '')
