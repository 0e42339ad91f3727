-- Finds markets by the end of their web address, or by that of their event.
-- Parameters: slug, event (the slug of an event), most.
-- Rows: condition_id, slug.
select m.condition_id, m.slug from public.markets m
where m.slug = %(slug)s
   or m.event_id in (select e.event_id from public.events e where e.slug = %(event)s)
order by m.slug, m.condition_id limit %(most)s
