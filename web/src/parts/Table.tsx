import type { ComponentChildren } from 'preact';

export interface ColumnHead { text: string; number?: boolean }

/** A table that scrolls sideways inside itself; numbers stand on the right. */
export function Table({ label, heads, children }: { label: string; heads: (ColumnHead | string)[]; children: ComponentChildren }) {
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {heads.map((h) => {
              const head = typeof h === 'string' ? { text: h } : h;
              return <th key={head.text} scope="col" class={head.number ? 'n' : ''}>{head.text}</th>;
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
