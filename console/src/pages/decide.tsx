// Yes or no, with a reason, for what was looked at: the entity tag goes along, so that a ticket which
// has changed meanwhile is shown again instead of being decided.

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import { actKey, ask, Problem } from "../api";
import { rows } from "../format";
import type { Ticket } from "../generated/schema";
import { bag, rowsReached, summary } from "../shapes";
import { Dialog, Key, Note, Place, Risk, T } from "../ui";

export type Verdict = "approve" | "deny";

function asksReason(t: Ticket): boolean {
  return bag(t.approvals).require_reason === true;
}

export function Decide(props: {
  ticket: Ticket;
  etag: string;
  verdict: Verdict;
  onClose: () => void;
  onDone: () => void;
}): JSX.Element {
  const { ticket: t, verdict } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const key = useRef(actKey());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | undefined>();
  const what = summary(t);
  const reached = rowsReached(t);
  const needs = asksReason(t) && verdict === "approve";

  const submit = async (): Promise<void> => {
    const reason = field.current?.value.trim() ?? "";
    if (busy) return;
    if (needs && reason === "") {
      setError(new Error("The policy wants a reason."));
      field.current?.focus();
      return;
    }
    setBusy(true);
    setError(undefined);
    try {
      await ask(`/v1/tickets/${encodeURIComponent(t.id)}/${verdict}`, {
        method: "POST",
        body: reason === "" ? {} : { reason },
        match: props.etag,
        key: key.current,
      });
      props.onDone();
      props.onClose();
    } catch (why) {
      // The same act may be tried again only where nothing was answered.
      if (!(why instanceof Problem) || why.status !== 0) key.current = actKey();
      if (why instanceof Problem && (why.status === 412 || why.status === 409)) props.onDone();
      setError(why as Error);
      setBusy(false);
    }
  };
  return (
    <Dialog title={verdict === "approve" ? "Let it run, once?" : "Refuse it?"} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <p class="decide-what">
          <Risk of={t.risk} />{" "}
          <strong>
            <T of={what.kind || "Statement"} /> <T of={what.object} />
          </strong>
          {what.more > 0 ? ` and ${what.more} more` : ""}
          {reached.whole && reached.rows > 0 ? `, ${rows(reached.rows)}` : ""} on{" "}
          <Place database={t.database} environment={t.environment} />, asked by <T of={t.actor} />
        </p>
        {error ? (
          <Note tone="bad">
            <T of={error.message} />
            {error instanceof Problem && error.status === 412 ? " Look at it again before you decide." : ""}
          </Note>
        ) : null}
        <label for="reason">
          Reason{needs ? "" : " (may be empty)"}
          {verdict === "deny" ? ", told to nobody but operators" : ""}
        </label>
        <textarea
          id="reason"
          ref={field}
          rows={3}
          maxLength={2000}
          autofocus
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void submit();
          }}
        />
        <p class="dialog-actions">
          <button type="button" onClick={props.onClose}>
            Cancel <Key of="Esc" />
          </button>
          <button type="submit" class={verdict === "approve" ? "main" : "main danger"} disabled={busy}>
            {busy ? "Sending" : verdict === "approve" ? "Approve" : "Deny"} <Key of="Enter" />
          </button>
        </p>
      </form>
    </Dialog>
  );
}
