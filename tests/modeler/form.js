// The panel as a form: its fields by the labels that a person reads.

const GROUPS = '#panel [data-group-id*="CustomProperties"]';
const CONTROL = 'select, input, textarea, .cm-content';

const isEditor = control => control.classList.contains('cm-content');

const labelOf = entry => entry.querySelector('label')?.firstChild?.textContent.trim();

const entriesOf = group => [ ...group.querySelectorAll('.bio-properties-panel-entry') ];

/** The control of the field with this label, or nothing. */
export function find(label) {
  const entries = [ ...document.querySelectorAll(GROUPS) ].flatMap(entriesOf);
  return entries.find(entry => labelOf(entry) === label)?.querySelector(CONTROL);
}

/** What a person would say that the control holds; the FEEL editor shows the sign `=` beside it. */
export function read(control) {
  if (control.tagName === 'SELECT') {
    return control.selectedOptions[0]?.label;
  }
  if (control.type === 'checkbox') {
    return control.checked ? 'yes' : 'no';
  }
  return control.value ?? (control.querySelector('.cm-placeholder') ? '' : control.textContent);
}

/** Whether the control holds the value; for a FEEL editor, with the sign or without. */
export function holds(control, value) {
  return read(control) === (isEditor(control) ? value.replace(/^=/, '') : value);
}

/** Choose, tick or type over. In one go: a field that has become a FEEL editor takes the focus when it can. */
export function enter(control, value) {
  if (control.tagName === 'SELECT') {
    choose(control, value);
  } else if (control.type === 'checkbox') {
    control.click();
  } else {
    type(control, isEditor(control) ? value.replace(/^=/, '') : value);
  }
}

function choose(select, name) {
  const option = [ ...select.options ].find(option => option.label === name);
  if (!option) {
    throw new Error(`no choice is called ${name}`);
  }
  select.value = option.value;
  select.dispatchEvent(new Event('input', { bubbles: true }));
  select.dispatchEvent(new Event('change', { bubbles: true }));
}

function type(control, text) {
  control.focus();
  if (document.activeElement !== control) {
    throw new Error('it cannot be typed into');
  }
  document.execCommand('selectAll');
  document.execCommand(text ? 'insertText' : 'delete', false, text);
}

/** All that can be seen: label, value, description, choices and error of each field, by group. */
export function fields() {
  return [ ...document.querySelectorAll(GROUPS) ].flatMap(group => entriesOf(group).map(entry => {
    const control = entry.querySelector(CONTROL);
    return {
      group: group.querySelector('.bio-properties-panel-group-header-title').textContent,
      label: labelOf(entry),
      value: control ? read(control) : undefined,
      placeholder: control?.placeholder ?? entry.querySelector('.cm-placeholder')?.textContent ?? '',
      choices: [ ...control?.options ?? [] ].map(option => option.label),
      description: entry.querySelector('.bio-properties-panel-description')?.textContent ?? '',
      error: entry.querySelector('.bio-properties-panel-error')?.textContent ?? ''
    };
  }));
}

/** Fold all groups out. */
export function unfold() {
  document.querySelectorAll('#panel .bio-properties-panel-group-header:not(.open)').forEach(
    header => header.querySelector('.bio-properties-panel-group-header-title').click()
  );
}
