// One act of an operator, asked for in a dialog.

import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import { actKey, Problem } from "../api";
import { Dialog, Key, Wrong } from "../ui";

/** A form of a dialog that sends one act, and says what came of it. */
export function Act(props: {
  title: string;
  button: string;
  danger?: boolean;
  onClose: () => void;
  send: (form: FormData, key: string) => Promise<void>;
  children?: ComponentChildren;
}): JSX.Element {
  const key = useRef(actKey());
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const submit = async (form: HTMLFormElement): Promise<void> => {
    if (sending) return;
    setSending(true);
    setError(undefined);
    try {
      await props.send(new FormData(form), key.current);
      props.onClose();
    } catch (why) {
      if (!(why instanceof Problem) || why.status !== 0) key.current = actKey();
      setError(why as Error);
      setSending(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form
        class="act"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(event.currentTarget);
        }}
      >
        {error ? <Wrong error={error} /> : null}
        {props.children}
        <p class="dialog-actions">
          <button type="button" onClick={props.onClose}>
            Cancel <Key of="Esc" />
          </button>
          <button type="submit" class={`main${props.danger ? " danger" : ""}`} disabled={sending}>
            {props.button}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
