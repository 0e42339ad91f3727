-- Returns the markets that a person names for a dataset.
-- Parameters: tags, names (text[]: condition ids, slugs of markets and of events).
-- Rows: condition_id, and which of the names it is, NULL: by a tag alone.
select m.condition_id,
       case when m.condition_id = any (%(names)s::text[]) then m.condition_id
            when m.slug = any (%(names)s::text[]) then m.slug
            when e.slug = any (%(names)s::text[]) then e.slug end
from public.markets m left join public.events e using (event_id)
where m.tags && %(tags)s::text[] or m.condition_id = any (%(names)s::text[]) or m.slug = any (%(names)s::text[])
   or e.slug = any (%(names)s::text[])
order by 1
