import { element, type XmlElement } from './xml-element.ts'

/**
 * The serial console: a pty for whoever attaches, and every byte in a log file, which starts anew with each start
 * of the guest. libvirt makes the first serial port the domain's console by itself.
 */
export const serialConsole = (logPath: string): XmlElement =>
  element('serial', { type: 'pty' }, [
    element('log', { file: logPath, append: 'off' }),
    element('target', { port: 0 }),
  ])
